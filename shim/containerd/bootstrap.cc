#include "shim/containerd/bootstrap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "container/sealed_copy.h"
#include "container/spawn.h"
#include "container/store.h"
#include "oci/features.h"
#include "shim/containerd/events.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/proto/runtime.h"
#include "shim/containerd/proto/task.h"
#include "shim/containerd/service_work.h"
#include "shim/containerd/shim_cgroup.h"

namespace gabion::shim {

namespace {

constexpr const char* kSocketDirectory = "/run/gabion/s";
constexpr const char* kStateDirectory = "/run/gabion/containerd";
constexpr const char* kAddressFile = "address";  // of the bundle
constexpr std::string_view kScheme = "unix://";
constexpr size_t kConfigLimit = size_t{16} << 20;
constexpr int kBacklog = 128;
constexpr int kLockMs = 10'000;
constexpr int kLockStepMs = 2;

// Looks at the annotations alone: whether the rest can be honoured is Create's to say.
Result<std::string> group_of_bundle(const std::string& id) {
  const std::string text = TRY(read_file("config.json", kConfigLimit));
  std::string group = group_of(TRY(json::parse(text, "config.json")));
  return group.empty() ? id : group;
}

// One for each pod, as containerd's own shim has it, and not that one's: a hash, because sun_path is short.
std::string socket_path(const Flags& flags, const std::string& group) {
  const std::string name = concat({flags.address, "/", flags.name_space, "/", group});
  return concat({kSocketDirectory, "/", sha256_hex(name)});
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

Result<Fd> new_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return sys_error("socket");
  return socket;
}

// True: a shim serves there. False: none does, and a name that one which was killed has left behind is gone.
// The caller holds the directory's lock.
Result<bool> is_served(const std::string& path) {
  const sockaddr_un address = address_of(path);
  const Fd probe = TRY(new_socket());
  // One that does not answer any more, and whose queue is full, serves as well: it must not stop others.
  if (::fcntl(probe.get(), F_SETFL, O_NONBLOCK) != 0) return sys_error("fcntl");
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return true;
  if (errno == EAGAIN) return true;
  if (errno != ENOENT && errno != ECONNREFUSED) return sys_error(concat({"connect to ", path}));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return sys_error(concat({"unlink ", path}));
  return false;
}

// Where no shim serves.
Result<Fd> listen_at(const std::string& path) {
  const sockaddr_un address = address_of(path);
  Fd socket = TRY(new_socket());
  const mode_t mask = ::umask(0177);
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  (void)::umask(mask);
  if (bound != 0) return sys_error(concat({"bind ", path}));
  if (::listen(socket.get(), kBacklog) != 0) return sys_error(concat({"listen at ", path}));
  return socket;
}

Result<Fd> lock_directory() {
  TRY(make_directories("/run/gabion", 0755));
  if (::mkdir(kSocketDirectory, 0700) != 0 && errno != EEXIST)
    return sys_error(concat({"mkdir ", kSocketDirectory}));
  Fd directory = TRY(open_path(kSocketDirectory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat info {};
  if (::fstat(directory.get(), &info) != 0) return sys_error(kSocketDirectory);
  if (info.st_uid != 0 || (info.st_mode & 077) != 0) {
    return make_error(Code::kInvalid, concat({kSocketDirectory, ": must be root's, with mode 0700"}));
  }
  for (int left = kLockMs; ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0; left -= kLockStepMs) {
    if (errno != EWOULDBLOCK && errno != EINTR) return sys_error(concat({"lock ", kSocketDirectory}));
    if (left <= 0) return make_error(Code::kSystem, concat({kSocketDirectory, ": locked for ten seconds"}));
    (void)::usleep(kLockStepMs * 1000);
  }
  return directory;
}

// The engine must survive its shims: a step more likely to be chosen than its parent, as containerd's own
// shim is.
void adjust_oom_score() {
  constexpr int64_t kMost = 1000;
  const Result<std::string> text =
      read_file(concat({"/proc/", std::to_string(::getppid()), "/oom_score_adj"}), 64);
  if (!text.ok()) return;
  const std::optional<int64_t> score = parse_signed(trim(*text));
  if (score) (void)write_existing("/proc/self/oom_score_adj", std::to_string(std::min(*score + 1, kMost)));
}

// `start` has written it beside config.json; without that file, what it would have chosen.
Result<std::string> socket_of_bundle(const Flags& flags) {
  constexpr size_t kAddressLimit = 4096;
  const Result<std::string> address = read_file(kAddressFile, kAddressLimit);
  const std::string ours = concat({kScheme, kSocketDirectory, "/"});
  if (address.ok() && address->starts_with(ours) && address->find('/', ours.size()) == std::string::npos) {
    return address->substr(kScheme.size());
  }
  return socket_path(flags, TRY(group_of_bundle(flags.id)));
}

// Of a shim that ended without clearing up: nobody else would, before the next one of that pod.
Status clear_socket(const Flags& flags) {
  const std::string path = TRY(socket_of_bundle(flags));
  const Fd lock = TRY(lock_directory());
  const Result<bool> served = is_served(path);
  return served.ok() ? ok_status() : Status(served.error());
}

// What `start` executes anew for a pod.
struct Server {
  // A sealed copy: a worker is a fork of it, and may make a process whose root is the host's.
  Fd program;
  std::string program_path;
  Fd listening;
  std::string socket_path;
};

Result<std::string> own_path() {
  const Fd program = TRY(open_path("/proc/self/exe", O_PATH));
  return path_of(program.get());
}

// In the child: executed anew, it has nothing of what `start` has read, and its command line says what it
// serves.
[[noreturn]] void serve_as(const Flags& flags, const std::string& group, const Server& server) {
  // Copies above its place first: one may have the other's number.
  const int program = ::fcntl(server.program.get(), F_DUPFD_CLOEXEC, kListening + 1);
  const int listening = ::fcntl(server.listening.get(), F_DUPFD_CLOEXEC, kListening + 1);
  // containerd reads the bundle's fifo `log` into its own.
  Fd log(::open("log", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const bool ready = ::setsid() >= 0 && ::dup2(null.get(), 0) == 0 && ::dup2(null.get(), 1) == 1 &&
                     ::dup2(log.valid() ? log.get() : null.get(), 2) == 2 && program >= 0 &&
                     ::dup2(listening, kListening) == kListening &&
                     container::close_all_but(0, {kListening, program}).ok();
  std::vector<std::string> words{
      server.program_path, "-namespace", flags.name_space,  "-id", group, "-address",
      flags.address,       "-socket",    server.socket_path};
  if (flags.debug) words.emplace_back("-debug");
  if (ready) (void)::syscall(SYS_execveat, program, "", c_strings(words).data(), ::environ, AT_EMPTY_PATH);
  ::_exit(1);
}

// The caller holds the directory's lock.
Status start_shim(const Flags& flags, const std::string& group, const std::string& path,
                  const std::string& cgroup) {
  std::vector<Fd> files;
  if (!cgroup.empty()) files = TRY(open_shim_cgroup(cgroup));
  Server server;
  server.program_path = TRY(own_path());
  server.program = TRY(container::sealed_copy());
  server.socket_path = path;
  server.listening = TRY(listen_at(path));
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork");
  if (pid == 0) {
    adjust_oom_score();
    serve_as(flags, group, server);
  }
  Status joined = join_shim_cgroup(files, pid);
  if (joined.ok()) return ok_status();
  (void)::kill(pid, SIGKILL);
  (void)::unlink(path.c_str());
  return joined;
}

// What containerd 2.3 sends; it must name this very container, since other versions send an Any there, whose
// first two fields look the same on the wire.
std::optional<proto::BootstrapParams> bootstrap_params(const Flags& flags, std::string_view input) {
  if (input.empty()) return std::nullopt;
  Result<proto::BootstrapParams> params = proto::decode<proto::BootstrapParams>(input);
  if (!params.ok() || params->instance_id != flags.id) return std::nullopt;
  return std::move(params).value();
}

}  // namespace

std::string group_of(const json::Value& config) {
  const json::Value* annotations = config.find("annotations");
  if (annotations == nullptr) return {};
  for (const std::string_view key : {"io.kubernetes.cri.sandbox-id", "io.containerd.runc.v2.group"}) {
    if (const json::Value* value = annotations->find(key)) return value->text();
  }
  return {};
}

Result<Node> node_of(const std::string& name_space) {
  // A directory's name: containerd allows less (identifiers.Validate).
  if (!container::check_id(name_space).ok()) {
    return make_error(Code::kInvalid, concat({"-namespace: invalid namespace \"", name_space, "\""}));
  }
  TRY(make_directories(kStateDirectory, 0700));
  return Node{.root = concat({kStateDirectory, "/", name_space}),
              .policy_file = {},
              .audit_file = audit::kDefaultLog};
}

Result<std::string> start(const Flags& flags, std::string_view input) {
  TRY(container::check_id(flags.id));
  TRY(node_of(flags.name_space));
  const std::optional<proto::BootstrapParams> params = bootstrap_params(flags, input);
  const std::string group = TRY(group_of_bundle(flags.id));
  const std::string path = socket_path(flags, group);
  const std::string address = concat({kScheme, path});
  const Fd lock = TRY(lock_directory());
  const bool served = TRY(is_served(path));
  if (!served) TRY(start_shim(flags, group, path, shim_cgroup(params, input)));
  // containerd 1.6 and 1.7 find the shim again by it.
  TRY(write_file_atomic(kAddressFile, address, 0600));
  if (!params) return address;
  return proto::encode(proto::BootstrapResult{.version = 3, .address = address, .protocol = "ttrpc"});
}

Result<std::string> clear(const Flags& flags) {
  TRY(container::check_id(flags.id));
  const Node node = TRY(node_of(flags.name_space));
  auto remove = [&flags](const container::Host& host) { return container::remove(host, flags.id, true); };
  TRY(on_node(node, Need::kAlways, nullptr, answered_empty(remove)));
  (void)clear_socket(flags);  // the container is gone, which is what was asked
  return proto::encode(proto::DeleteResponse{.pid = 0, .exit_status = 128 + SIGKILL, .exited_at = now()});
}

std::string info() {
  return proto::encode(proto::RuntimeInfo{
      .name = "io.containerd.gabion.v2",
      .version = {.version = GABION_VERSION, .revision = {}},
      .options = {},
      .features = {.type_url = "types.containerd.io/opencontainers/runtime-spec/1/features/Features",
                   .value = json::write(oci::features())},
      .annotations = {}});
}

}  // namespace gabion::shim
