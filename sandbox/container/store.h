// The state directory: <root>/<id>/{state.json, config.json, start.sock, lock, stage/}.
//
// mkdir(2) of <root>/<id> is what reserves an id: exactly one of two racing creators wins. Every
// operation that changes a container holds its lock. Nothing here kills or unmounts. A directory
// without the lock file belongs to another runtime (Docker gives all of them one --root) and reads
// as absent.
//
// A lock lasts while any copy of its descriptor is open: a child that does not execve(2) at once
// must close it, or a killed creator seems to be alive.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "container/state.h"

namespace gabion::container {

// runc's rule: [A-Za-z0-9_+.-]{1,1024}, not "." or "..". The message is runc's.
Status check_id(std::string_view id);

class Reservation;

class Store {
 public:
  // Makes `root` (0700) if it is missing; refuses one that others may write.
  static Result<Store> open(const std::string& root);

  [[nodiscard]] std::string directory(std::string_view id) const;

  // Code::kExists with runc's text when the id is taken. The new directory is locked.
  Result<Reservation> reserve(const std::string& id) const;

  // Code::kNotFound "container does not exist" when there is no such directory. A directory
  // whose state.json is missing or damaged (its creator was killed) reads as kCreating with pid 0.
  Result<State> load(const std::string& id) const;
  Status save(const State& state) const;
  Result<std::vector<std::string>> ids() const;

  // Held for the duration of an operation; at most 10 s wait.
  Result<Fd> lock(const std::string& id) const;
  // Whether another descriptor holds it now: a look, not a promise.
  Result<bool> is_locked(const std::string& id) const;

  // Small files beside the state; atomic, 0600.
  Status write_entry(const std::string& id, const std::string& name, std::string_view data) const;
  Result<std::string> read_entry(const std::string& id, const std::string& name, size_t limit) const;

  // Forgets the container: renames the directory aside first, so that a half-removed one never
  // looks like a container. Absent is fine.
  Status erase(const std::string& id) const;
  // What erase() of a killed process left, of any container.
  Status erase_leftovers() const;

 private:
  std::string root_;
};

// An id taken but not yet a container. Erases the directory unless committed.
class Reservation {
 public:
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&&) = delete;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();
  void commit() { committed_ = true; }

 private:
  friend class Store;
  Reservation(const Store* store, std::string id, Fd lock);
  const Store* store_;
  std::string id_;
  Fd lock_;
  bool committed_ = false;
};

}  // namespace gabion::container
