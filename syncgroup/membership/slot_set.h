#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace waypost::syncgroup {

// A set of small numbers, one bit each up to the greatest.
class SlotSet {
 public:
  bool Has(uint32_t slot) const {
    const std::size_t word = slot / kBits;
    return word < words_.size() && (words_[word] >> (slot % kBits) & 1) != 0;
  }
  void Add(uint32_t slot) {
    Reach(slot / kBits + 1);
    words_[slot / kBits] |= uint64_t{1} << (slot % kBits);
  }
  void AddAll(const SlotSet& other) {
    Reach(other.words_.size());
    for (std::size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
  }
  bool IsWithin(const SlotSet& other) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if ((words_[i] & ~(i < other.words_.size() ? other.words_[i] : 0)) != 0) return false;
    }
    return true;
  }

 private:
  static constexpr uint32_t kBits = 64;
  void Reach(std::size_t words) {
    if (words_.size() >= words) return;
    words_.reserve(words);
    words_.resize(words);
  }

  std::vector<uint64_t> words_;
};

}  // namespace waypost::syncgroup
