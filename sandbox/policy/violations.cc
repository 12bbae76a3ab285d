#include "policy/violations.h"

#include <algorithm>

namespace gabion::policy {

std::optional<Answer> answer_from_name(std::string_view name) {
  const auto known = std::find(kAnswers.begin(), kAnswers.end(), name);
  if (known == kAnswers.end()) return std::nullopt;
  return static_cast<Answer>(known - kAnswers.begin());
}

std::optional<size_t> violation_kind(std::string_view name) {
  const auto known = std::find(kViolationKinds.begin(), kViolationKinds.end(), name);
  if (known == kViolationKinds.end()) return std::nullopt;
  return static_cast<size_t>(known - kViolationKinds.begin());
}

Answer Violations::answer(std::string_view kind) const {
  const std::optional<size_t> index = violation_kind(kind);
  return index ? answers_[*index] : Answer::kOff;
}

bool Violations::any() const {
  return std::any_of(answers_.begin(), answers_.end(), [](Answer answer) { return answer != Answer::kOff; });
}

}  // namespace gabion::policy
