// Trying something in a child: what it changes dies with it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "probe/check.h"

namespace gabion::probe {

// 0 when `attempt` returned true in a child; else the child's errno, or -1 when it was killed or took
// longer than five seconds.
int try_in_child(const std::function<bool()>& attempt);

// `error` is for want of descriptors, memory or processes, of which a limit of the process's own may be the
// reason: it says nothing of what is allowed.
bool says_nothing(int error);

// The answer to a question that was put by trying: `error` is 0 where it worked. What could not be tried
// counts as open.
Check tried(std::string_view group, std::string_view name, int weight, int error);
// The same for one of several things that are one question together: `open` lists those that worked, or that
// could not be tried.
void add_if_open(std::string& open, std::string_view thing, int error);

}  // namespace gabion::probe
