#include "kernel/seccomp_cache.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <span>
#include <string_view>

#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"
#include "kernel/seccomp_watch.h"

namespace gabion::kernel::seccomp {
namespace {

constexpr size_t kDigestBytes = std::tuple_size_v<Sha256::Digest>;
constexpr size_t kMostBytes = kDigestBytes + BPF_MAXINSNS * sizeof(sock_filter);
// Of a few KiB each. A node's engines send a handful; past this somebody sends a new one each time.
constexpr int kMostFiles = 64;

// The linker's digest of this very program: another build may compile the same rules otherwise.
int note_build_id(dl_phdr_info* object, size_t, void* found) {
  constexpr char kOwner[] = "GNU";  // with its NUL, as the note has it
  for (const ElfW(Phdr) & header : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    if (header.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): where the program is in memory comes as a number
    const auto* at = reinterpret_cast<const char*>(object->dlpi_addr + header.p_vaddr);
    const char* const end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof(note));
      const char* const name = at + sizeof(note);
      const char* const value = name + ((note.n_namesz + 3U) & ~3U);
      if (note.n_type == NT_GNU_BUILD_ID &&
          std::string_view(name, note.n_namesz) == std::string_view(kOwner, sizeof(kOwner))) {
        *static_cast<std::string_view*>(found) = std::string_view(value, note.n_descsz);
        return 1;
      }
      at = value + ((note.n_descsz + 3U) & ~3U);
    }
  }
  return 1;  // the first object is the program itself
}

std::string_view build_id() {
  static const std::string_view kId = [] {
    std::string_view found;
    (void)::dl_iterate_phdr(note_build_id, &found);
    return found;
  }();
  return kId;
}

// Numbers and texts one after the other, so that no two filters give the same bytes.
class Content {
 public:
  void number(uint64_t value) {
    char bytes[sizeof(value)];
    std::memcpy(bytes, &value, sizeof(value));
    text_.append(bytes, sizeof(bytes));
  }
  void text(std::string_view value) {
    number(value.size());
    text_ += value;
  }
  void conditions(const std::vector<Condition>& conditions) {
    number(conditions.size());
    for (const Condition& condition : conditions) {
      number(condition.index);
      number(static_cast<uint64_t>(condition.compare));
      number(condition.value);
      number(condition.value_two);
    }
  }
  [[nodiscard]] const std::string& bytes() const { return text_; }

 private:
  std::string text_;
};

std::string_view bytes_of(const Sha256::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Sha256::Digest digest_of(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish();
}

// Invalid when it is not root's alone.
Fd open_directory(const std::string& path) {
  if (!make_directories(path, 0700).ok()) return {};
  Result<Fd> directory = open_path(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat info {};
  const bool safe = directory.ok() && ::fstat(directory->get(), &info) == 0 && info.st_uid == ::geteuid() &&
                    (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  return safe ? std::move(*directory) : Fd();
}

// Empty when there is none, or none that is whole.
Program read_program(int directory, const std::string& key) {
  Result<Fd> file = open_at(directory, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!file.ok()) return {};
  const Result<std::string> text = read_fd(file->get(), kMostBytes, key);
  if (!text.ok() || text->size() <= kDigestBytes) return {};
  const std::string_view code = std::string_view(*text).substr(kDigestBytes);
  if (code.size() % sizeof(sock_filter) != 0) return {};
  if (bytes_of(digest_of(code)) != std::string_view(*text).substr(0, kDigestBytes)) return {};
  Program program(code.size() / sizeof(sock_filter));
  std::memcpy(program.data(), code.data(), code.size());
  return program;
}

void remove_all_when_full(int directory) {
  DIR* stream = ::fdopendir(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (stream == nullptr) return;
  int count = 0;
  while (::readdir(stream) != nullptr) ++count;
  ::rewinddir(stream);
  while (const dirent* entry = count > kMostFiles ? ::readdir(stream) : nullptr) {
    if (entry->d_name[0] != '.') (void)::unlinkat(directory, entry->d_name, 0);
  }
  (void)::closedir(stream);
}

void write_program(int directory, const std::string& key, const Program& program) {
  remove_all_when_full(directory);
  const std::string_view code(reinterpret_cast<const char*>(program.data()),
                              program.size() * sizeof(sock_filter));
  std::string text(bytes_of(digest_of(code)));
  text += code;
  (void)write_file_atomic_at(directory, key, text, 0600);
}

}  // namespace

std::string cache_key(const Filter& filter, const Watch* watch) {
  Content content;
  content.text(build_id());
  content.number(filter.default_action);
  content.number(filter.bad_arch_action);
  content.number(filter.enosys_for_unknown ? 1 : 0);
  content.number(filter.architectures.size());
  for (const uint32_t architecture : filter.architectures) content.number(architecture);
  content.number(filter.rules.size());
  for (const Rule& rule : filter.rules) {
    content.number(rule.action);
    content.number(rule.names.size());
    for (const std::string& name : rule.names) content.text(name);
    content.conditions(rule.conditions);
  }
  content.number(watch == nullptr ? 0 : watch->size());
  for (const WatchedCall& call : watch == nullptr ? Watch() : *watch) {
    content.number(call.number);
    content.number(call.verdict.action);
    content.number(call.verdict.branches.size());
    for (const Branch& branch : call.verdict.branches) {
      content.number(branch.action);
      content.conditions(branch.conditions);
    }
  }
  return sha256_hex(content.bytes());
}

Result<Program> compile_cached(const Filter& filter, const Watch* watch, const std::string& directory) {
  const Fd cache = build_id().empty() ? Fd() : open_directory(directory);
  if (!cache.valid()) return compile(filter, watch);
  const std::string key = cache_key(filter, watch);
  if (Program known = read_program(cache.get(), key); !known.empty()) return known;
  Program program = TRY(compile(filter, watch));
  write_program(cache.get(), key, program);
  return program;
}

}  // namespace gabion::kernel::seccomp
