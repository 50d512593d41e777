#include "server/http/multipart.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

absl::Status Bad(const std::string& what) {
  return InvalidField("body", absl::StrCat("this is not multipart/form-data: ", what));
}

// Of `form-data; name="image[]"; filename="a b.png"`: the word before the first ";" and the parameters.
struct HeaderValue {
  std::string word;
  std::map<std::string, std::string> parameters;
};

// A quoted string's end and text, after its first quote. `\"` stands for a quote; browsers write `%22`
// instead.
std::optional<std::string> Quoted(absl::string_view& rest) {
  std::string text;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return text;
    }
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    text.push_back(rest[i]);
  }
  return std::nullopt;
}

std::optional<HeaderValue> ParseValue(absl::string_view rest) {
  HeaderValue value;
  const size_t end = std::min(rest.find(';'), rest.size());
  value.word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(rest.substr(0, end)));
  rest.remove_prefix(end);
  while (absl::ConsumePrefix(&rest, ";")) {
    rest = absl::StripLeadingAsciiWhitespace(rest);
    const size_t equals = rest.find('=');
    if (equals == absl::string_view::npos) return std::nullopt;
    const std::string name = absl::AsciiStrToLower(absl::StripAsciiWhitespace(rest.substr(0, equals)));
    rest.remove_prefix(equals + 1);
    if (absl::ConsumePrefix(&rest, "\"")) {
      std::optional<std::string> text = Quoted(rest);
      if (!text) return std::nullopt;
      value.parameters[name] = *std::move(text);
      rest = absl::StripLeadingAsciiWhitespace(rest);
    } else {
      const size_t stop = std::min(rest.find(';'), rest.size());
      value.parameters[name] = std::string(absl::StripAsciiWhitespace(rest.substr(0, stop)));
      rest.remove_prefix(stop);
    }
  }
  if (!absl::StripAsciiWhitespace(rest).empty()) return std::nullopt;
  return value;
}

absl::Status ParsePartHeader(absl::string_view header, FormPart& part) {
  bool named = false;
  while (!header.empty()) {
    const size_t end = std::min(header.find("\r\n"), header.size());
    const absl::string_view line = header.substr(0, end);
    header.remove_prefix(std::min(end + 2, header.size()));
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) return Bad("a part's header has a line without a colon");
    const std::string name = absl::AsciiStrToLower(line.substr(0, colon));
    const absl::string_view text = line.substr(colon + 1);
    if (name == "content-type") part.content_type = std::string(absl::StripAsciiWhitespace(text));
    if (name != "content-disposition") continue;
    const std::optional<HeaderValue> value = ParseValue(text);
    if (!value || value->word != "form-data") return Bad("a part's Content-Disposition is not form-data");
    const auto given = value->parameters.find("name"), filename = value->parameters.find("filename");
    if (given == value->parameters.end()) return Bad("a part has no name");
    part.name = given->second;
    if (filename != value->parameters.end()) part.filename = filename->second;
    named = true;
  }
  return named ? absl::OkStatus() : Bad("a part has no Content-Disposition");
}

}  // namespace

absl::StatusOr<std::vector<FormPart>> ParseForm(absl::string_view content_type, absl::string_view body) {
  const std::optional<HeaderValue> type = ParseValue(content_type);
  if (!type || type->word != "multipart/form-data") return Bad("the Content-Type says otherwise");
  const auto boundary = type->parameters.find("boundary");
  if (boundary == type->parameters.end() || boundary->second.empty() || boundary->second.size() > 70) {
    return Bad("the Content-Type names no boundary of 1 to 70 characters");
  }
  const std::string first = absl::StrCat("--", boundary->second), delimiter = absl::StrCat("\r\n", first);
  // A preamble is allowed, and means nothing.
  size_t at = absl::StartsWith(body, first) ? 0 : body.find(delimiter);
  if (at == absl::string_view::npos) return Bad("the boundary never comes");
  at += at == 0 && absl::StartsWith(body, first) ? first.size() : delimiter.size();
  std::vector<FormPart> parts;
  for (;;) {
    if (body.substr(at, 2) == "--") return parts;
    // White space may stand behind a boundary.
    const size_t line = body.find("\r\n", at);
    if (line == absl::string_view::npos || !absl::StripAsciiWhitespace(body.substr(at, line - at)).empty()) {
      return Bad("a boundary is not alone on its line");
    }
    if (parts.size() == kMaxFormParts) return Bad(absl::StrCat("more than ", kMaxFormParts, " parts"));
    const size_t header = line + 2;
    const size_t blank = body.substr(header, kMaxPartHeader + 4).find("\r\n\r\n");
    if (blank == absl::string_view::npos) {
      return Bad(absl::StrCat("a part's header does not end within ", kMaxPartHeader, " bytes"));
    }
    const size_t data = header + blank + 4;
    const size_t end = body.find(delimiter, data);
    if (end == absl::string_view::npos) return Bad("the last boundary is missing");
    FormPart& part = parts.emplace_back();
    if (absl::Status status = ParsePartHeader(body.substr(header, blank), part); !status.ok()) return status;
    part.data = body.substr(data, end - data);
    at = end + delimiter.size();
  }
}

}  // namespace mind::server
