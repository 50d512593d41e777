#include "server/store/s3_options.h"

#include <gmock/gmock.h>

#include <map>

namespace mind::server {
namespace {

using testing::HasSubstr;

using Environment = std::map<std::string, std::string>;
const Environment kKey = {{"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "secret"}};

absl::StatusOr<S3Options> Made(const S3Flags& flags, Environment environment = kKey) {
  return MakeS3Options(flags, [environment](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  });
}
std::string OptionsRefusal(const S3Flags& flags, const Environment& environment = kKey) {
  return std::string(Made(flags, environment).status().message());
}

TEST(S3Options, AreReadFromFlags) {
  const auto options = Made({"s3://bucket/a/b/", "http://s3.example:9000", "eu"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->bucket, "bucket");
  EXPECT_EQ(options->prefix, "a/b/");
  EXPECT_EQ(options->endpoint.Origin(), "http://s3.example:9000");
  EXPECT_EQ(options->region, "eu");
  EXPECT_EQ(options->credentials.access_key_id, "id");
  EXPECT_EQ(Made({"s3://bucket", "", "eu"})->prefix, "");
}

TEST(S3Options, AreReadFromTheEnvironmentWhereFlagsSayNothing) {
  Environment environment = kKey;
  environment["AWS_REGION"] = "us-west-2";
  environment["AWS_SESSION_TOKEN"] = "token";
  EXPECT_EQ(Made({"s3://bucket"}, environment)->endpoint.Origin(), "https://s3.us-west-2.amazonaws.com:443");
  EXPECT_EQ(Made({"s3://bucket"}, environment)->credentials.session_token, "token");
  environment["AWS_ENDPOINT_URL_S3"] = "https://s3.example";
  EXPECT_EQ(Made({"s3://bucket"}, environment)->endpoint.Origin(), "https://s3.example:443");
  EXPECT_EQ(Made({"s3://bucket", "http://other:1", "eu"}, environment)->endpoint.Origin(), "http://other:1");
  EXPECT_EQ(Made({"s3://bucket", "http://other:1", "eu"}, environment)->region, "eu");
}

TEST(S3Options, WhatIsWrongOrMissingIsNamed) {
  for (const char* const place :
       {"bucket", "http://bucket", "s3://", "s3://ab", "s3://Bucket/x", "s3:///x"}) {
    EXPECT_THAT(OptionsRefusal({place, "", "eu"}), HasSubstr(place)) << place;
  }
  EXPECT_THAT(OptionsRefusal({"s3://bucket"}), HasSubstr("--s3-region or AWS_REGION"));
  EXPECT_THAT(OptionsRefusal({"s3://bucket", "s3.example", "eu"}), HasSubstr("\"s3.example\""));
  EXPECT_THAT(OptionsRefusal({"s3://bucket", "http://s3.example/x", "eu"}), HasSubstr("--s3-endpoint"));
  for (const auto& [name, value] : kKey) {
    Environment without = kKey;
    without.erase(name);
    EXPECT_THAT(OptionsRefusal({"s3://bucket", "", "eu"}, without), HasSubstr(name));
  }
}

}  // namespace
}  // namespace mind::server
