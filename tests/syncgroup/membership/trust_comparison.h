#pragma once

#include <string>

#include "tests/syncgroup/membership/trust_world.h"

// What a tree of trust answers against the naive rules (naive_trust.h), about what is here of a
// history: the first difference in words, or nothing.
namespace waypost::syncgroup {

// Which acts count, what entries may do, who is a member.
std::string CompareDecisions(const History& history, const TrustWorld& world);
// What follows: Close, what a new act names, who acts on whom, seniority, what is kept.
std::string CompareAnswers(const History& history, const TrustWorld& world);

}  // namespace waypost::syncgroup
