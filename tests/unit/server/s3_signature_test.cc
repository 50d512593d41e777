#include "server/store/s3_signature.h"

#include <gmock/gmock.h>

namespace mind::server {
namespace {

using testing::HasSubstr;

// The examples of AWS's own documentation.
constexpr char kNoBody[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const S3Signer& Example() {
  static const S3Signer signer({.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                                .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
                               "us-east-1");
  return signer;
}
const absl::Time kExampleTime = absl::FromCivil(absl::CivilSecond(2013, 5, 24), absl::UTCTimeZone());
constexpr char kExampleHost[] = "examplebucket.s3.amazonaws.com";

std::string Authorization(const S3Request& request, const std::string& body_sha256 = kNoBody) {
  return Example().SignHeaders(request, body_sha256, kExampleTime).at("authorization");
}

TEST(S3Signature, OfAnObjectThatIsRead) {
  EXPECT_EQ(
      Authorization(
          {.method = "GET", .host = kExampleHost, .path = "/test.txt", .headers = {{"range", "bytes=0-9"}}}),
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
      "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(S3Signature, OfAnObjectThatIsWritten) {
  EXPECT_THAT(Authorization({.method = "PUT",
                             .host = kExampleHost,
                             .path = S3Path("/test$file.text"),
                             .headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                         {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}},
                            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
              HasSubstr("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST(S3Signature, OfAQuestionWithAndWithoutValues) {
  EXPECT_THAT(
      Authorization({.method = "GET", .host = kExampleHost, .path = "/", .query = {{"lifecycle", ""}}}),
      HasSubstr("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
  EXPECT_THAT(Authorization({.method = "GET",
                             .host = kExampleHost,
                             .path = "/",
                             .query = {{"max-keys", "2"}, {"prefix", "J"}}}),
              HasSubstr("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(S3Signature, OfAnAddressThatMayBeGivenAway) {
  EXPECT_EQ(Example().Presign({.method = "GET", .host = kExampleHost, .path = "/test.txt"}, absl::Hours(24),
                              kExampleTime),
            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

// What botocore 1.44.8 says of the same requests, at the same time, without and with a session's token (which
// it puts elsewhere in the query: that is signed in order).
struct Botocore {
  const char* token;
  const char* put;
  const char* list;
  const char* address;
};
constexpr char kToken[] = "lent token/+=";
constexpr Botocore kBotocore[] = {
    {"", "88e93f1e9ba1de51bc23f11364e4ac3aae66c3b34f95ced02512ecb6077e39eb",
     "714194d70e7ddc1c617c6c086224aed22e579f2bc285320579972cd89cfd952e",
     "X-Amz-SignedHeaders=content-type%3Bhost&X-Amz-Signature="
     "f4f33f4efd325bf253b8225bbd0aa41546efd9ac324e3d31d74ed09e760948bb"},
    {kToken, "15c973844e989b6af98c8ef1f1407fea541f8a66de5047ba1089d7956d2417e6",
     "6c18116347a87927b6579d7f50b8a02a7c97cc2a3761afc769ec90f51dd3ef48",
     "X-Amz-Security-Token=lent%20token%2F%2B%3D&X-Amz-SignedHeaders=content-type%3Bhost&X-Amz-Signature="
     "f39868f9d998b21263394cbee96af7e8397938218ea51330ed61fb7332d57855"},
};

TEST(S3Signature, IsBotocores) {
  const absl::Time now = absl::FromCivil(absl::CivilSecond(2026, 11, 29, 1, 2, 3), absl::UTCTimeZone());
  const std::string host = "s3.example:9000";
  for (const Botocore& expected : kBotocore) {
    const S3Signer signer({"key id", "secret/+key", expected.token}, "eu-central-1");
    const S3Request put{.method = "PUT",
                        .host = host,
                        .path = S3Path("/bucket/pre fix/jobs/a~b/0.1"),
                        .headers = {{"content-type", "image/png"}}};
    const auto headers =
        signer.SignHeaders(put, "0d22cdcc10e6d049dbe1af5123d50873fdfc1a4f58306e58cb6241be9472014d", now);
    EXPECT_THAT(headers.at("authorization"), HasSubstr(expected.put));
    EXPECT_EQ(headers.count("x-amz-security-token"), expected.token == kToken ? 1U : 0U);
    EXPECT_EQ(signer.Presign(put, absl::Hours(1), now),
              std::string("/bucket/pre%20fix/jobs/a~b/0.1?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
                          "key%20id%2F20261129%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date="
                          "20261129T010203Z&X-Amz-Expires=3600&") +
                  expected.address);
    const auto listed = signer.SignHeaders({.method = "GET",
                                            .host = host,
                                            .path = "/bucket",
                                            .query = {{"list-type", "2"}, {"prefix", "a b/ü&="}}},
                                           kNoBody, now);
    EXPECT_THAT(listed.at("authorization"), HasSubstr(expected.list));
  }
}

}  // namespace
}  // namespace mind::server
