#pragma once

namespace waypost::base {

// Opens /dev/null in the place of each of the descriptors 0 to 2 that is closed, so that no file of
// ours gets the number to which somebody writes a log line or an answer: the first call of every
// program, before a file is opened or a thread begins. Standard input is opened for writing and the
// outputs for reading: who uses them gets EBADF, as if they were closed, and lost output does not
// look like success. False: it cannot be opened.
bool FillStandardDescriptors();

}  // namespace waypost::base
