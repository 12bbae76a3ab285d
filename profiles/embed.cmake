# Writes OUTPUT, the C++ source of policy/tiers.h, from the policy files listed in TIERS and the names of the
# seccomp profiles listed in PROFILES.
set(rows "")
foreach(path IN LISTS TIERS)
  get_filename_component(file ${path} NAME)
  string(REPLACE ".policy.json" "" name ${file})
  file(READ ${path} text)
  string(APPEND rows "    {\"${name}\", R\"~policy~(${text})~policy~\"},\n")
endforeach()
set(names "")
foreach(path IN LISTS PROFILES)
  get_filename_component(name ${path} NAME_WE)
  string(APPEND names "\"${name}\", ")
endforeach()
file(WRITE ${OUTPUT} "#include \"policy/tiers.h\"

namespace gabion::policy {
namespace {

struct Tier {
  std::string_view name;
  std::string_view text;
};

constexpr Tier kTiers[] = {
${rows}};

constexpr std::string_view kSeccompProfiles[] = {${names}};

}  // namespace

std::string_view tier_text(std::string_view name) {
  for (const Tier& tier : kTiers) {
    if (tier.name == name) return tier.text;
  }
  return {};
}

std::span<const std::string_view> seccomp_profiles() { return kSeccompProfiles; }

}  // namespace gabion::policy
")
