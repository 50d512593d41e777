#include "server/http/pictures.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "server/http/signed_links.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

// Of "bytes=first-last", where it asks for one range that is there.
std::optional<std::pair<size_t, size_t>> RangeOf(const std::string& header, size_t size) {
  absl::string_view text = header;
  if (!absl::ConsumePrefix(&text, "bytes=")) return std::nullopt;
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(text, absl::MaxSplits('-', 1));
  size_t first = 0, last = size - 1;
  if (!absl::SimpleAtoi(ends.first, &first)) return std::nullopt;
  if (!ends.second.empty() && !absl::SimpleAtoi(ends.second, &last)) return std::nullopt;
  if (first > last || first >= size) return std::nullopt;
  return std::pair(first, std::min(last, size - 1));
}

// A finished picture never changes.
HttpResponse PictureResponse(const HttpRequest& asked, const v1::GetImageResponse& image) {
  const std::string tag = absl::StrCat("\"", image.sha256(), "\"");
  HttpResponse response{
      .content_type = image.media_type(),
      .headers = {{"etag", tag}, {"cache-control", "private, max-age=31536000, immutable"}}};
  if (asked.Header("if-none-match") == tag) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("accept-ranges", "bytes");
  const auto range = RangeOf(asked.Header("range"), image.data().size());
  if (!range) {
    response.body = std::make_shared<const std::string>(image.data());
    return response;
  }
  response.status = 206;
  response.headers.emplace_back(
      "content-range", absl::StrCat("bytes ", range->first, "-", range->second, "/", image.data().size()));
  response.body = std::make_shared<const std::string>(
      image.data().substr(range->first, range->second - range->first + 1));
  return response;
}

void AnswerWithPicture(const FaceContext& context, const ExchangePtr& exchange, const std::string& id,
                       uint32_t index, const Caller& caller) {
  context.generation.GetImage(id, index, caller, [exchange](absl::StatusOr<v1::GetImageResponse> found) {
    if (!found.ok()) return exchange->Answer(ErrorResponse(found.status()));
    const auto image = std::make_shared<const v1::GetImageResponse>(*std::move(found));
    exchange->Answer([exchange, image] { return PictureResponse(exchange->request(), *image); });
  });
}

void GetImage(const FaceContext& context, const ExchangePtr& exchange, const std::string& id,
              const std::string& number) {
  uint32_t index = 0;
  if (!absl::SimpleAtoi(number, &index)) {
    return exchange->Answer(ErrorResponse(InvalidField(
        "index",
        absl::StrCat("a picture's number is a whole number from 0, given: ", Printable(number, 40)))));
  }
  OnLoop(context, exchange, [&context, exchange, id, index](const Caller& caller) {
    AnswerWithPicture(context, exchange, id, index, caller);
  });
}

void GetFile(const FaceContext& context, const ExchangePtr& exchange, const std::string& id,
             const std::string& number) {
  // Who calls says nothing here: the link does.
  context.post([&context, exchange, id, number] {
    context.generation.ListSigningSecrets(
        [&context, exchange, id, number](const absl::StatusOr<std::vector<std::string>>& secrets) {
          if (!secrets.ok()) return exchange->Answer(ErrorResponse(secrets.status()));
          const absl::StatusOr<LinkedPicture> picture =
              FollowLink(exchange->request(), id, number, *secrets, absl::Now());
          if (!picture.ok()) return exchange->Answer(ErrorResponse(picture.status()));
          AnswerWithPicture(context, exchange, picture->job, picture->index, {.tenant = picture->tenant});
        });
  });
}

std::vector<Reply> PictureReplies() {
  const std::vector<Body> formats = {{"image/png", ""}, {"image/jpeg", ""}, {"image/webp", ""}};
  return {{200, "The picture.", formats},
          {206, "The range of it that was asked for.", formats},
          {304, "The caller has it: if-none-match named it."}};
}

}  // namespace

void AddPictures(const FaceContext& context, Router& router) {
  using Arguments = Router::Arguments;
  const Parameter id{"path", "id", R"({"type": "string"})", "The job's id."};
  const Parameter index{"path", "index", R"({"type": "integer", "minimum": 0, "maximum": 15})",
                        "Which, from 0."};
  router.Add("GET", "/v1/jobs/{id}/images/{index}",
             [&context](const ExchangePtr& exchange, const Arguments& of) {
               GetImage(context, exchange, of[0], of[1]);
             },
             {.id = "getImage",
              .tag = "Jobs",
              .summary = "One finished picture",
              .description = "400 with the reason PICTURE_NOT_READY while it is not made.",
              .parameters = {id,
                             index,
                             {"header", "range", R"({"type": "string"})",
                              "One range of bytes, \"bytes=0-1023\" say; others are passed over."}},
              .answers = PictureReplies(),
              .refusals = {400, 404}});
  router.Add("GET", "/v1/files/{id}/{index}",
             [&context](const ExchangePtr& exchange, const Arguments& of) {
               GetFile(context, exchange, of[0], of[1]);
             },
             {.id = "getFile",
              .tag = "Jobs",
              .summary = "A picture by a signed link",
              .description = "Links come with answers of /v1/images/… where response_format is \"url\". They "
                             "are good for an hour, "
                             "and for whoever has them.",
              .parameters = {id,
                             index,
                             {"query", "tenant", R"({"type": "string"})", "As in the link."},
                             {"query", "expires", R"({"type": "integer"})", "As in the link."},
                             {"query", "signature", R"({"type": "string"})", "As in the link."}},
              .answers = PictureReplies(),
              .refusals = {400, 403, 404}});
}

}  // namespace mind::server
