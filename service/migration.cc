#include "service/migration.h"

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/reseal.h"
#include "base/status.h"

// The steps from every older format, in order; a folder that needs only the later ones finds the
// earlier ones done.

namespace waypost::service {
namespace {

struct Step {
  const char* what;
  absl::Status (*run)(base::Index& index);
};
constexpr Step kSteps[] = {
    // Format 2 read the rows of format 1 and left them as they were.
    {"checksums of rows", base::ResealRows},
};

}  // namespace

absl::Status Migrate(DataDir& data, base::Index& index) {
  if (!data.migrating()) return absl::OkStatus();
  base::LogInfo("bringing the data folder to format ", kFormatNumber,
                ": older versions no longer open it");
  for (const Step& step : kSteps) {
    RETURN_IF_ERROR(base::Annotate(step.run(index), absl::StrCat("migrating ", step.what)));
  }
  return data.FinishMigration();
}

}  // namespace waypost::service
