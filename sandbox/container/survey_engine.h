// Who called the runtime: the fact exceptions in a policy may match on.
#pragma once

#include <string>

namespace gabion::container {

// "docker", "containerd", "cri", "podman", or "" for anybody else.
//
// Nothing here comes from config.json, whose author is not trusted. What is asked is who our parent
// is: the executable of the calling process, which must be a file that only root can write. Docker,
// containerd and the kubelet's CRI all call through containerd's shim, so the state root tells them
// apart: it is an argument of the shim's own making (containerd/go-runc: <root>/<namespace>). Or they call
// through gabion's own, whose program has no path ("/") and is told by being this very program.
// Docker's runtimeArgs put a shell between the two; only shells are looked through, so that a job
// far down an engine's process tree does not pass for the engine.
std::string calling_engine(const std::string& state_root);

}  // namespace gabion::container
