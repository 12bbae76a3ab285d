// Encrypted volumes and checksums run at the speed of these.
#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "node/checks.h"
#include "node/crypto.h"

namespace gabion::node {
namespace {

constexpr size_t kTextLimit = size_t{16} << 20;  // /proc/cpuinfo grows with the processors

struct Algorithm {
  const char* check;
  const char* name;  // in /proc/crypto
  std::vector<std::string_view> flags;
  const char* module;
};

void check_algorithm(const Algorithm& algorithm, const std::string& cpuinfo, const std::string& crypto,
                     Findings& findings) {
  const bool cpu = std::any_of(algorithm.flags.begin(), algorithm.flags.end(),
                               [&](std::string_view flag) { return has_cpu_flag(cpuinfo, flag); });
  const std::vector<std::string> drivers = crypto_drivers(crypto, algorithm.name);
  const auto best = std::find_if(drivers.begin(), drivers.end(),
                                 [](const auto& driver) { return !is_generic_driver(driver); });
  const std::string processor =
      cpu ? "the processor has instructions for it" : "the processor has none for it";
  if (cpu && best != drivers.end()) {
    findings.push_back(passed(algorithm.check, concat({processor, ", the kernel uses them (", *best, ")"})));
  } else if (!cpu) {
    findings.push_back(
        warned(algorithm.check, processor,
               "use a processor that does, or let the hypervisor pass the instructions on; only "
               "speed is lost"));
  } else {
    findings.push_back(warned(algorithm.check,
                              concat({processor, ", the kernel's drivers are generic",
                                      drivers.empty() ? "" : ": ", name_some(drivers, 3)}),
                              concat({"modprobe ", algorithm.module,
                                      "; when there is no such module, boot a kernel that has it. Only the "
                                      "kernel's own encryption is slow"})));
  }
}

}  // namespace

void check_crypto(Findings& findings) {
  const Result<std::string> cpuinfo = read_file("/proc/cpuinfo", kTextLimit);
  const Result<std::string> crypto = read_file("/proc/crypto", kTextLimit);
  const std::string cpu_text = cpuinfo.ok() ? *cpuinfo : "";
  const std::string crypto_text = crypto.ok() ? *crypto : "";
  check_algorithm({"aes", "aes", {"aes"}, "aesni_intel"}, cpu_text, crypto_text, findings);
  // AVX2 is no instruction for SHA, and half as fast as one.
  check_algorithm({"sha", "sha256", {"sha_ni", "sha2", "avx2"}, "sha256_ssse3"}, cpu_text, crypto_text,
                  findings);
}

}  // namespace gabion::node
