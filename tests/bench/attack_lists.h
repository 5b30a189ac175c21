#pragma once

#include <vector>

#include "tests/bench/attacks.h"

namespace waypost::bench {

// Parts of Attacks().
std::vector<Attack> AttacksByPages();  // what it answers
std::vector<Attack> AttacksByCalls();  // what it asks

}  // namespace waypost::bench
