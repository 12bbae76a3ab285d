// The error type every fallible function returns. Nothing in gabion throws.
//
// Context is added once, where the knowledge lives: the function that knows the path names the
// path, the one that knows the control names the control. Only the front ends print.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace gabion {

// What a caller can do about an error; the exit code and the OCI error text derive from it.
enum class Code {
  kInternal,     // our own bug, or a kernel answer that no documentation allows
  kInvalid,      // the caller's input (config.json, a flag, a policy file) is wrong
  kUnsupported,  // asked for something this build or this kernel does not have
  kRefused,      // policy says no
  kNotFound,     // no such container, file or process
  kExists,       // the container id is taken
  kWrongState,   // the container is not in a status that allows the request
  kSystem,       // a system call failed; `sys_errno` says how
};

struct Error {
  Code code = Code::kInternal;
  int sys_errno = 0;    // 0 when no system call is to blame
  std::string context;  // one line, lower case, no final stop; never holds a secret

  // "context: strerror(sys_errno)", as runc and crun phrase it.
  [[nodiscard]] std::string message() const;

  // The same error seen from further out: "prefix: context".
  [[nodiscard]] Error wrap(std::string_view prefix) &&;
};

[[nodiscard]] Error make_error(Code code, std::string context);
// Takes errno at the moment of the call.
[[nodiscard]] Error sys_error(std::string context);
[[nodiscard]] Error sys_error(std::string context, int error_number);

struct Unit {};

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value)  // NOLINT(google-explicit-constructor): `return value;` is how a function succeeds,
      : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error)  // NOLINT(google-explicit-constructor): and `return error;` how it fails
      : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] T& value() & { return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& value() const& { return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  [[nodiscard]] Error& error() & { return *std::get_if<1>(&state_); }
  [[nodiscard]] const Error& error() const& { return *std::get_if<1>(&state_); }
  [[nodiscard]] Error&& error() && { return std::move(*std::get_if<1>(&state_)); }
  T& operator*() & { return value(); }
  T* operator->() { return &value(); }
  const T& operator*() const& { return value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<Unit>;
inline Status ok_status() { return Unit{}; }

}  // namespace gabion

// Evaluates to the value, or returns the error from the enclosing function. Use it only as a whole
// initialiser or a whole statement: inside an aggregate's braces an early return leaks the members
// already built (seen with GCC 12 and clang 14).
#define TRY(expression)                                           \
  __extension__({                                                 \
    auto try_result_ = (expression);                              \
    if (!try_result_.ok()) return std::move(try_result_).error(); \
    std::move(try_result_).value();                               \
  })

// The same, with the place named: TRY_AT(open_rootfs(), "rootfs").
#define TRY_AT(expression, prefix)                                             \
  __extension__({                                                              \
    auto try_result_ = (expression);                                           \
    if (!try_result_.ok()) return std::move(try_result_).error().wrap(prefix); \
    std::move(try_result_).value();                                            \
  })
