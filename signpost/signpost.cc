#include "signpost/signpost.h"

// Names of error classes, for API and logs. Errors that people can tell apart have different names;
// they are part of the API and never change.

namespace waypost::signpost {

const char* ErrorClassName(ErrorClass error) {
  switch (error) {
    case ErrorClass::kNone:
      return "none";
    case ErrorClass::kNotHere:
      return "not_here";
    case ErrorClass::kUnreachable:
      return "unreachable";
    case ErrorClass::kBusy:
      return "busy";
    case ErrorClass::kWrongBytes:
      return "wrong_bytes";
    case ErrorClass::kNobody:
      return "nobody";
    case ErrorClass::kNoSpace:
      return "no_space";
    case ErrorClass::kDisk:
      return "disk";
    case ErrorClass::kResumeMismatch:
      return "resume_mismatch";
  }
  return "unknown";
}

}  // namespace waypost::signpost
