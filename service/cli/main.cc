#include "base/standard_descriptors.h"
#include "service/cli/command_line.h"

// The program `waypost`. Everything is in RunCommandLine, so that the whole command line can be
// linked and called by tests as well.

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  return waypost::service::RunCommandLine(argc, argv);
}
