#pragma once

namespace waypost::service {

// The whole program: parses, runs a command, prints errors, answers the exit status.
int RunCommandLine(int argc, char** argv);

}  // namespace waypost::service
