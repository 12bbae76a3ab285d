// Trying something in a child: what it changes dies with it.
#pragma once

#include <functional>

namespace gabion::probe {

// 0 when `attempt` returned true in a child; else the child's errno, or -1 when it was killed or took
// longer than five seconds.
int try_in_child(const std::function<bool()>& attempt);

}  // namespace gabion::probe
