#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/payer.h"

namespace waypost::http {

// Memory for answers that are under way, so that nobody who asks and does not read fills it:
// `total_bytes` in all, `payer_bytes` for one payer, and never more for one than it leaves free for
// the others. So those who read slowly share what is there, however many they are, and who comes
// next finds room. Strangers have together what one payer has, those of one network half of it: two
// large answers. Thread-safe.
class AnswerRoom {
  struct Use;

 public:
  AnswerRoom(uint64_t total_bytes, uint64_t payer_bytes);

  struct Whose {
    base::Payer payer = base::kNobody;  // of a stranger its network
    bool stranger = false;
  };
  // Gives the bytes back when it goes; keeps what it refers to.
  class Lease {
   public:
    Lease(std::shared_ptr<Use> use, Whose whose) : use_(std::move(use)), whose_(whose) {}
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    uint64_t bytes() const { return bytes_; }

   private:
    friend class AnswerRoom;
    const std::shared_ptr<Use> use_;
    const Whose whose_;
    uint64_t bytes_ = 0;  // constant once it was given
  };
  // At most `wanted_bytes`, as much as there is room for, also none.
  std::shared_ptr<Lease> Take(Whose whose, uint64_t wanted_bytes);
  // All of them; null: there is no room.
  std::shared_ptr<Lease> TakeAll(Whose whose, uint64_t bytes);

 private:
  const uint64_t total_bytes_;
  const uint64_t payer_bytes_;
  const std::shared_ptr<Use> use_;
};

}  // namespace waypost::http
