#include "server/store/s3_options.h"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr size_t kShortestBucket = 3, kLongestBucket = 63;
constexpr size_t kLongestPrefix = 512;  // what is behind it has its place in the 1024 bytes of a key

bool IsBucket(absl::string_view name) {
  return name.size() >= kShortestBucket && name.size() <= kLongestBucket &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '.';
         });
}

bool IsPrefix(const std::string& prefix) {
  return prefix.size() <= kLongestPrefix && IsValidUtf8(prefix) &&
         std::none_of(prefix.begin(), prefix.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); });
}

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

}  // namespace

absl::StatusOr<S3Options> MakeS3Options(const S3Flags& flags,
                                        const std::function<std::string(const char* name)>& environment) {
  const auto first_of = [&environment](std::string value, std::initializer_list<const char*> names) {
    for (const char* const name : names) {
      if (value.empty()) value = environment(name);
    }
    return value;
  };
  S3Options options;
  absl::string_view place = flags.place;
  const bool is_s3 = absl::ConsumePrefix(&place, "s3://");
  const size_t end = std::min(place.find('/'), place.size());
  options.bucket = std::string(place.substr(0, end));
  absl::string_view prefix = place.substr(end);
  while (absl::ConsumePrefix(&prefix, "/")) continue;
  while (absl::ConsumeSuffix(&prefix, "/")) continue;
  if (!is_s3 || !IsBucket(options.bucket) || !IsPrefix(std::string(prefix))) {
    return Bad(
        absl::StrCat("--blobs: \"", Printable(flags.place),
                     "\" is not s3://BUCKET or s3://BUCKET/PREFIX, with a bucket of 3 to 63 lower-case "
                     "letters, digits, '-' and '.', and a prefix of at most ",
                     kLongestPrefix, " bytes"));
  }
  options.prefix = prefix.empty() ? "" : absl::StrCat(prefix, "/");
  options.region = first_of(flags.region, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (options.region.empty()) {
    return Bad(
        "--blobs needs a region: --s3-region or AWS_REGION (what the endpoint is set up with, often "
        "us-east-1)");
  }
  std::string endpoint = first_of(flags.endpoint, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  if (endpoint.empty()) endpoint = absl::StrCat("https://s3.", options.region, ".amazonaws.com");
  const std::optional<WebUrl> url = ParseWebUrl(endpoint);
  if (!url || url->target != "/") {
    return Bad(absl::StrCat("--s3-endpoint (AWS_ENDPOINT_URL_S3): \"", Printable(endpoint),
                            "\" is not http://HOST:PORT or https://HOST:PORT"));
  }
  options.endpoint = *url;
  options.credentials = {.access_key_id = environment("AWS_ACCESS_KEY_ID"),
                         .secret_access_key = environment("AWS_SECRET_ACCESS_KEY"),
                         .session_token = environment("AWS_SESSION_TOKEN")};
  for (const auto& [name, value] :
       {std::pair("AWS_ACCESS_KEY_ID", &options.credentials.access_key_id),
        std::pair("AWS_SECRET_ACCESS_KEY", &options.credentials.secret_access_key)}) {
    if (value->empty()) return Bad(absl::StrCat("--blobs needs ", name, " in the environment"));
  }
  return options;
}

}  // namespace mind::server
