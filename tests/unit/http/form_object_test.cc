#include "server/http/form_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "proto/support/errors.h"

namespace mind::server {
namespace {

using nlohmann::json;
using testing::HasSubstr;

using Fields = std::vector<std::pair<std::string, std::string>>;

json ObjectOf(const Fields& fields) {
  json object = json::object();
  for (const auto& [name, text] : fields) {
    const absl::Status status = PutFormField(name, text, object);
    EXPECT_TRUE(status.ok()) << name << ": " << status;
  }
  return object;
}

std::string RefusalOf(const Fields& fields) {
  json object = json::object();
  absl::Status status;
  for (const auto& [name, text] : fields) status.Update(PutFormField(name, text, object));
  return std::string(status.message());
}

TEST(FormObject, NamesLeadIntoObjectsAndLists) {
  EXPECT_EQ(ObjectOf({{"prompt", "a"}, {"hires[scale]", "2"}, {"hires[steps]", "7"}}),
            json::parse(R"({"prompt": "a", "hires": {"scale": "2", "steps": "7"}})"));
  EXPECT_EQ(ObjectOf({{"a[b][c]", "x"}, {"layers[]", "mid"}, {"layers[]", "up"}}),
            json::parse(R"({"a": {"b": {"c": "x"}}, "layers": ["mid", "up"]})"));
  EXPECT_EQ(ObjectOf({{"prompt", "a"}, {"prompt", "b"}}), json::parse(R"({"prompt": "b"})"));
}

TEST(FormObject, ALoraBeginsWhereAFieldComesAgain) {
  EXPECT_EQ(ObjectOf({{"loras[][name]", "ink"}, {"loras[][scale]", "0.5"}, {"loras[][name]", "gold"}}),
            json::parse(R"({"loras": [{"name": "ink", "scale": "0.5"}, {"name": "gold"}]})"));
}

TEST(FormObject, WhatLeadsNowhereIsRefused) {
  for (const char* const name : {"", "[a]", "a[b", "a]b[", "a[b]c", "a[b][c", "a[1][2][3][4][5][6][7][8]"})
    EXPECT_THAT(RefusalOf({{name, "x"}}), HasSubstr("is written")) << name;
  EXPECT_THAT(RefusalOf({{"a", "x"}, {"a[b]", "y"}}), HasSubstr("something else"));
  EXPECT_THAT(RefusalOf({{"a[b]", "x"}, {"a", "y"}}), HasSubstr("something else"));
  EXPECT_THAT(RefusalOf({{"a[b]", "x"}, {"a[]", "y"}}), HasSubstr("something else"));
  EXPECT_THAT(RefusalOf({{"a[]", "x"}, {"a[b]", "y"}}), HasSubstr("something else"));
}

}  // namespace
}  // namespace mind::server
