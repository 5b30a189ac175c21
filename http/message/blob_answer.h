#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/byte_source.h"
#include "http/message/message.h"

namespace waypost::http {

// Answers with what a Range header asks of a blob's bytes: 200 with all of them, 206 with a part,
// or 416 for none of them and for more than one range. `response` has the headers that go with the
// bytes; 416 comes without them. Where they name no content type it is that of unknown bytes.
Response BlobAnswer(Response response, std::optional<std::string_view> range_header,
                    std::shared_ptr<base::ByteSource> bytes);

}  // namespace waypost::http
