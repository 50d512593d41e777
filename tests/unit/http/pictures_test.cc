#include "server/http/pictures.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "server/http/signed_links.h"
#include "tests/unit/http/face_rig.h"

namespace mind::server {
namespace {

class Pictures : public FaceRig {
 protected:
  static std::string Link(const std::string& secret = "newest", absl::Duration life = absl::Hours(1)) {
    return SignedLink({.tenant = "ann", .job = "job-1", .index = 0}, absl::Now() + life, secret);
  }
};

TEST_F(Pictures, WhoHasALinkGetsThePicture) {
  for (const char* const secret : {"newest", "older"}) {
    const auto exchange = Ask("GET", Link(secret), "", {{"mind-tenant", "somebody else"}});
    EXPECT_EQ(exchange->answer->status, 200) << secret;
    EXPECT_EQ(*exchange->answer->body, "0123456789");
    EXPECT_EQ(generation_.tenant, "ann");
  }
  EXPECT_EQ(Ask("GET", Link(), "", {{"range", "bytes=2-4"}})->answer->status, 206);
  EXPECT_EQ(
      Ask("GET", SignedLink({"ann", "job-2", 0}, absl::Now() + absl::Hours(1), "newest"))->answer->status,
      404);
}

TEST_F(Pictures, NobodyElseDoes) {
  const std::string link = Link();
  std::vector<std::string> bad = {Link("oldest"), Link(""), "/v1/files/job-1/0",
                                  "/v1/files/job-1/x?signature="};
  bad.push_back(absl::StrReplaceAll(link, {{"job-1", "job-2"}}));
  bad.push_back(absl::StrReplaceAll(link, {{"/0?", "/1?"}}));
  bad.push_back(absl::StrReplaceAll(link, {{"tenant=ann", "tenant=bob"}}));
  bad.push_back(absl::StrReplaceAll(link, {{"expires=", "expires=9"}}));
  bad.push_back(link.substr(0, link.size() - 1));
  bad.push_back(link + "A");
  for (const std::string& one : bad) {
    const auto exchange = Ask("GET", one);
    EXPECT_EQ(exchange->answer->status, 403) << one;
    EXPECT_TRUE(absl::StrContains(BodyOf(exchange)["error"]["details"].dump(), "BAD_SIGNATURE")) << one;
  }
  const auto late = Ask("GET", Link("newest", -absl::Seconds(1)));
  EXPECT_EQ(late->answer->status, 403);
  EXPECT_TRUE(absl::StrContains(BodyOf(late)["error"]["details"].dump(), "LINK_EXPIRED"));
}

}  // namespace
}  // namespace mind::server
