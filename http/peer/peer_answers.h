#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "fetcher/attempt/blob_client.h"
#include "http/client/response_reader.h"
#include "http/peer/batch_frames.h"

// What the peer API's answers mean to who called it. Pure; apart from the connections, so that the
// simulated world reads answers as the real client does.
namespace waypost::http {

// The error that an answer other than 200 stands for.
absl::Status ErrorIn(const ResponseHead& head, const std::string& body);

// The groups in a Waypost-Groups header: comma-separated ids. What is no id is ignored.
std::vector<base::GroupId> GroupsIn(const ResponseHead& head);

// What a frame says of a blob that was asked for under `groups`; nullopt: it does not parse.
// Borrows from the frame.
std::optional<fetcher::BatchItem> ItemIn(const Frame& frame,
                                         const std::vector<base::GroupId>& groups);

}  // namespace waypost::http
