#include "service/cli/progress.h"

#include <utility>

#include "base/harmless.h"
#include "service/cli/print.h"

// Drawing on the terminal: the line is wiped before anything else is printed, and its width is
// asked for each time, for windows are changed meanwhile.

namespace waypost::service {

Progress::Progress(const std::string& label, std::string unit)
    : label_(base::Harmless(label)), unit_(std::move(unit)), terminal_(OnTerminal()) {}

Progress::~Progress() { Finish(); }

void Progress::Show(uint64_t done, uint64_t total, const std::string& detail) {
  if (!terminal_) return;
  const base::SteadyTime now = base::SteadyNow();
  base::MutexLock lock(mutex_);
  if (on_line_ && now - drawn_ < base::Millis(100)) return;
  drawn_ = now;
  on_line_ = true;
  rate_.Add(now, done);
  // In the last column some terminals begin a new line.
  const std::string line = "\r" +
                           ProgressLine({.label = label_,
                                         .done = done,
                                         .total = total,
                                         .rate = rate_.rate(),
                                         .detail = base::Harmless(detail),
                                         .unit = unit_},
                                        ColumnsOfTerminal() - 1) +
                           "\x1b[K";
  DrawText(line);
}

void Progress::Finish() {
  base::MutexLock lock(mutex_);
  if (on_line_) DrawText("\r\x1b[K");
  on_line_ = false;
}

}  // namespace waypost::service
