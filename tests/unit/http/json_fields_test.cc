#include "server/http/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

using testing::HasSubstr;

nlohmann::json Json(const std::string& text) {
  return nlohmann::json::parse(text);
}

TEST(JsonFields, ReadsWhatIsThereAndPassesOverNull) {
  const nlohmann::json object =
      Json(R"({"a": "text", "n": 3, "f": 3.0, "x": 2.5, "yes": true, "none": null})");
  JsonFields fields(object);
  EXPECT_EQ(fields.Text("a"), "text");
  EXPECT_EQ(fields.Whole("n", 1, 10), 3);
  EXPECT_EQ(fields.Whole("f", 1, 10), 3);
  EXPECT_EQ(fields.Number("x", 0, 10), 2.5);
  EXPECT_EQ(fields.Flag("yes"), true);
  EXPECT_EQ(fields.Text("none"), std::nullopt);
  EXPECT_EQ(fields.Whole("absent", 0, 1), std::nullopt);
  EXPECT_TRUE(fields.status().ok()) << fields.status();
}

TEST(JsonFields, SaysWhatIsWrongWithTheFirst) {
  const auto error = [](const std::string& value, const auto& read) {
    const nlohmann::json object = Json("{\"field\": " + value + "}");
    JsonFields fields(object);
    read(fields);
    fields.Refuse("another", "later");
    return std::string(fields.status().message());
  };
  const auto whole = [](JsonFields& fields) { fields.Whole("field", 1, 10); };
  EXPECT_THAT(error("11", whole), HasSubstr("field must be a whole number, 1 to 10; given: 11"));
  EXPECT_THAT(error("2.5", whole), HasSubstr("given: 2.5"));
  EXPECT_THAT(error("\"3\"", whole), HasSubstr("given: \"3\""));
  EXPECT_THAT(error("18446744073709551615", whole), HasSubstr("given: 18446744073709551615"));
  EXPECT_THAT(error("1e300", whole), HasSubstr("whole number"));
  EXPECT_THAT(error("[1]", [](JsonFields& f) { f.Text("field"); }), HasSubstr("must be a text, given: [1]"));
  EXPECT_THAT(error("\"c\"",
                    [](JsonFields& f) {
                      f.Choice("field", {"a", "b"});
                    }),
              HasSubstr("must be one of a, b; given: c"));
  EXPECT_THAT(error("1", [](JsonFields& f) { f.Flag("field"); }),
              HasSubstr("must be true or false, given: 1"));
  EXPECT_THAT(error("\"x\"", [](JsonFields& f) { f.Number("field", 0, 1); }),
              HasSubstr("must be a number, 0 to 1"));
}

TEST(JsonFields, AFormsTextsAreNumbersToo) {
  const nlohmann::json object = Json(R"({"n": "2", "x": "0.5", "yes": "true", "bad": "two"})");
  JsonFields fields(object, /*from_form=*/true);
  EXPECT_EQ(fields.Whole("n", 1, 10), 2);
  EXPECT_EQ(fields.Number("x", 0, 1), 0.5);
  EXPECT_EQ(fields.Flag("yes"), true);
  EXPECT_EQ(fields.Whole("bad", 1, 10), std::nullopt);
  EXPECT_THAT(std::string(fields.status().message()), HasSubstr("given: \"two\""));
}

TEST(JsonFields, OnlyObjectsAreBodies) {
  EXPECT_TRUE(ParseJsonObject("{}").ok());
  for (const char* const bad : {"", "[]", "{", "nonsense", "\"text\"", "{\"a\": \"\xff\"}", "{} {}"}) {
    EXPECT_FALSE(ParseJsonObject(bad).ok()) << bad;
  }
  EXPECT_FALSE(ParseJsonObject(std::string(1'000'000, '[')).ok());
}

TEST(JsonFields, WhatIsAnObjectMayBeATextInAForm) {
  const nlohmann::json object = {
      {"text", R"({"scale": "2"})"}, {"list", "[1]"}, {"word", "large"}, {"object", {{"scale", 2}}}};
  JsonFields form(object, /*from_form=*/true);
  EXPECT_EQ(*form.Structure("text"), nlohmann::json({{"scale", "2"}}));
  EXPECT_EQ(*form.Structure("list"), nlohmann::json::array({1}));
  EXPECT_EQ(*form.Structure("word"), "large");
  EXPECT_EQ(*form.Structure("object"), nlohmann::json({{"scale", 2}}));
  EXPECT_FALSE(form.Structure("none").has_value());
  JsonFields json(object);
  EXPECT_EQ(*json.Structure("text"), R"({"scale": "2"})");
}

}  // namespace
}  // namespace mind::server
