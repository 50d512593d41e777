#include "server/http/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

constexpr char kType[] = "multipart/form-data; boundary=X";

std::string ErrorOf(const std::string& body, const std::string& type = kType) {
  return std::string(ParseForm(type, body).status().message());
}

std::string Part(const std::string& header, const std::string& data) {
  return absl::StrCat("--X\r\n", header, "\r\n\r\n", data, "\r\n");
}

TEST(Multipart, GivesEachPartByName) {
  const std::string picture = "\x89PNG\r\n\x1a\n--X is not at the start of a line" + std::string(1, '\0');
  const std::string body = absl::StrCat(
      Part("Content-Disposition: form-data; name=\"prompt\"", "一只猫\r\nand more"),
      Part("content-type: image/png\r\nCONTENT-DISPOSITION:form-data; filename=\"a \\\"b\\\".png\"; "
           "name=\"image[]\"",
           picture),
      Part("Content-Disposition: form-data; name=empty", ""), "--X--\r\nepilogue");
  const auto parts = ParseForm(kType, body);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 3U);
  EXPECT_EQ((*parts)[0].name, "prompt");
  EXPECT_EQ((*parts)[0].data, "一只猫\r\nand more");
  EXPECT_EQ((*parts)[1].name, "image[]");
  EXPECT_EQ((*parts)[1].filename, "a \"b\".png");
  EXPECT_EQ((*parts)[1].content_type, "image/png");
  EXPECT_EQ((*parts)[1].data, picture);
  EXPECT_EQ((*parts)[2].name, "empty");
  EXPECT_EQ((*parts)[2].data, "");
}

TEST(Multipart, TakesWhatTheStandardAllows) {
  const std::string part = Part("Content-Disposition: form-data; name=\"a\"", "1");
  for (const std::string& body : {absl::StrCat(part, "--X--"), absl::StrCat("preamble\r\n", part, "--X--"),
                                  absl::StrCat("--X \t\r\n", part.substr(5), "--X--")}) {
    const auto parts = ParseForm("Multipart/Form-Data; charset=utf-8; boundary=\"X\"", body);
    ASSERT_TRUE(parts.ok()) << parts.status() << body;
    ASSERT_EQ(parts->size(), 1U);
    EXPECT_EQ((*parts)[0].data, "1");
  }
  EXPECT_TRUE(ParseForm(kType, "--X--")->empty());
}

TEST(Multipart, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf("", "application/json"), HasSubstr("Content-Type says otherwise"));
  EXPECT_THAT(ErrorOf("", "multipart/form-data"), HasSubstr("names no boundary"));
  EXPECT_THAT(ErrorOf("", absl::StrCat("multipart/form-data; boundary=", std::string(71, 'b'))),
              HasSubstr("names no boundary"));
  EXPECT_THAT(ErrorOf("hello"), HasSubstr("the boundary never comes"));
  EXPECT_THAT(ErrorOf("--Xtra\r\n"), HasSubstr("not alone on its line"));
  EXPECT_THAT(ErrorOf("--X\r\nContent-Disposition: form-data; name=a\r\n"), HasSubstr("does not end within"));
  EXPECT_THAT(ErrorOf("--X\r\nContent-Disposition: form-data; name=a\r\n\r\ndata"),
              HasSubstr("last boundary is missing"));
  EXPECT_THAT(ErrorOf(Part("Content-Type: text/plain", "1") + "--X--"), HasSubstr("no Content-Disposition"));
  EXPECT_THAT(ErrorOf(Part("Content-Disposition: form-data", "1") + "--X--"), HasSubstr("has no name"));
  EXPECT_THAT(ErrorOf(Part("Content-Disposition: attachment; name=a", "1") + "--X--"),
              HasSubstr("is not form-data"));
  EXPECT_THAT(ErrorOf(Part("Content-Disposition: form-data; name=\"a", "1") + "--X--"),
              HasSubstr("is not form-data"));
  EXPECT_THAT(ErrorOf(Part("nonsense", "1") + "--X--"), HasSubstr("without a colon"));
  EXPECT_THAT(
      ErrorOf(Part(absl::StrCat("Content-Disposition: form-data; name=", std::string(10'000, 'a')), "1") +
              "--X--"),
      HasSubstr("does not end within 8192 bytes"));
}

TEST(Multipart, HasSoManyPartsAtMost) {
  std::string body;
  for (size_t i = 0; i <= kMaxFormParts; ++i) body += Part("Content-Disposition: form-data; name=a", "1");
  EXPECT_THAT(ErrorOf(body + "--X--"), HasSubstr("more than 128 parts"));
}

}  // namespace
}  // namespace mind::server
