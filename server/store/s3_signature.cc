#include "server/store/s3_signature.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "proto/support/digest.h"
#include "server/store/blob.h"

namespace mind::server {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";
constexpr char kUnsignedBody[] = "UNSIGNED-PAYLOAD";

std::string Encode(std::string_view text, bool slashes_stay) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ||
                       c == '_' || c == '~' || (slashes_stay && c == '/');
    plain ? encoded.push_back(c)
          : absl::StrAppend(&encoded, absl::StrFormat("%%%02X", static_cast<unsigned char>(c)));
  }
  return encoded;
}

// "20130524T000000Z"
std::string TimeText(absl::Time now) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
}
std::string DayOf(const std::string& time) {
  return time.substr(0, 8);
}

std::string NamesOf(const std::map<std::string, std::string>& headers) {
  return absl::StrJoin(headers, ";", [](std::string* out, const auto& header) { out->append(header.first); });
}

std::string QueryOf(const std::map<std::string, std::string>& query) {
  // In the order of the encoded names, as they are sent and as they are signed.
  std::map<std::string, std::string> encoded;
  for (const auto& [name, value] : query) encoded[S3Encode(name)] = S3Encode(value);
  return absl::StrJoin(encoded, "&", absl::PairFormatter("="));
}

// REQUIRES: `headers` are all that are signed.
std::string CanonicalRequest(const S3Request& request, const std::map<std::string, std::string>& headers,
                             const std::string& body_sha256) {
  std::string lines;
  for (const auto& [name, value] : headers) {
    absl::StrAppend(&lines, name, ":", absl::StripAsciiWhitespace(value), "\n");
  }
  return absl::StrCat(request.method, "\n", request.path, "\n", QueryOf(request.query), "\n", lines, "\n",
                      NamesOf(headers), "\n", body_sha256);
}

}  // namespace

std::string S3Encode(std::string_view text) {
  return Encode(text, false);
}
std::string S3Path(std::string_view path) {
  return Encode(path, true);
}

std::string S3Signer::Scope(const std::string& day) const {
  return absl::StrCat(day, "/", region_, "/s3/aws4_request");
}

std::string S3Signer::Signature(const std::string& canonical_request, const std::string& time) const {
  const std::string day = DayOf(time);
  const std::string text = absl::StrCat(kAlgorithm, "\n", time, "\n", Scope(day), "\n",
                                        absl::BytesToHexString(Sha256(canonical_request)));
  std::string key = absl::StrCat("AWS4", credentials_.secret_access_key);
  for (const std::string& part : {day, region_, std::string("s3"), std::string("aws4_request"), text}) {
    key = HmacSha256(key, part);
  }
  return absl::BytesToHexString(key);
}

std::map<std::string, std::string> S3Signer::SignHeaders(S3Request request, const std::string& body_sha256,
                                                         absl::Time now) const {
  const std::string time = TimeText(now);
  std::map<std::string, std::string> headers = std::move(request.headers);
  headers["x-amz-date"] = time;
  headers["x-amz-content-sha256"] = body_sha256;
  if (!credentials_.session_token.empty()) headers["x-amz-security-token"] = credentials_.session_token;
  std::map<std::string, std::string> all = headers;
  all["host"] = request.host;
  headers["authorization"] =
      absl::StrCat(kAlgorithm, " Credential=", credentials_.access_key_id, "/", Scope(DayOf(time)),
                   ", SignedHeaders=", NamesOf(all),
                   ", Signature=", Signature(CanonicalRequest(request, all, body_sha256), time));
  return headers;
}

std::string S3Signer::Presign(S3Request request, absl::Duration life, absl::Time now) const {
  const std::string time = TimeText(now);
  std::map<std::string, std::string> all = request.headers;
  all["host"] = request.host;
  request.query["X-Amz-Algorithm"] = kAlgorithm;
  request.query["X-Amz-Credential"] = absl::StrCat(credentials_.access_key_id, "/", Scope(DayOf(time)));
  request.query["X-Amz-Date"] = time;
  request.query["X-Amz-Expires"] = absl::StrCat(absl::ToInt64Seconds(life));
  request.query["X-Amz-SignedHeaders"] = NamesOf(all);
  if (!credentials_.session_token.empty()) {
    request.query["X-Amz-Security-Token"] = credentials_.session_token;
  }
  const std::string signature = Signature(CanonicalRequest(request, all, kUnsignedBody), time);
  return absl::StrCat(request.path, "?", QueryOf(request.query), "&X-Amz-Signature=", signature);
}

}  // namespace mind::server
