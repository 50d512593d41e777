#include "server/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/everybody.h"
#include "tests/unit/http/fake_exchange.h"

namespace mind::server {
namespace {

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    for (const char* const route : {"GET /v1/jobs", "POST /v1/jobs", "GET /v1/jobs/{}",
                                    "GET /v1/jobs/{}/images/{}", "GET /v1/jobs/all"}) {
      const std::string text = route;
      const size_t space = text.find(' ');
      router_.Add(text.substr(0, space), text.substr(space + 1),
                  [text](const ExchangePtr& exchange, const Router::Arguments& arguments) {
                    exchange->Answer(
                        Answered(200, "text/plain", absl::StrCat(text, " ", absl::StrJoin(arguments, ","))));
                  });
    }
    for (const char* const prefix : {"/", "/v1/"}) {
      router_.SetNobody(prefix, [prefix](const ExchangePtr& exchange, const std::string& allow) {
        exchange->Answer(Answered(404, "text/plain", absl::StrCat("nobody at ", prefix, ": ", allow)));
      });
    }
  }

  std::string Ask(const std::string& method, const std::string& target) {
    const auto exchange = std::make_shared<FakeExchange>(method, target);
    router_.Dispatch(exchange);
    if (!exchange->answer) return "";
    return exchange->answer->body != nullptr ? *exchange->answer->body
                                             : exchange->answer->headers.at(0).second;
  }

  Everybody everybody_;
  Router router_{everybody_};
};

TEST_F(RouterTest, FindsTheHandlerByMethodAndPath) {
  EXPECT_EQ(Ask("GET", "/v1/jobs"), "GET /v1/jobs ");
  EXPECT_EQ(Ask("POST", "/v1/jobs"), "POST /v1/jobs ");
  EXPECT_EQ(Ask("GET", "/v1/jobs/job-1"), "GET /v1/jobs/{} job-1");
  EXPECT_EQ(Ask("GET", "/v1/jobs/job%2F1/images/2"), "GET /v1/jobs/{}/images/{} job/1,2");
}

TEST_F(RouterTest, AWordGoesBeforeAnArgumentUnlessItLeadsNowhere) {
  EXPECT_EQ(Ask("GET", "/v1/jobs/all"), "GET /v1/jobs/all ");
  EXPECT_EQ(Ask("GET", "/v1/jobs/all/images/0"), "GET /v1/jobs/{}/images/{} all,0");
}

TEST_F(RouterTest, HeadIsGetAndOptionsSaysWhatIsAllowed) {
  EXPECT_EQ(Ask("HEAD", "/v1/jobs"), "GET /v1/jobs ");
  EXPECT_EQ(Ask("OPTIONS", "/v1/jobs"), "GET, HEAD, POST, OPTIONS");
}

TEST_F(RouterTest, WhatIsNobodysGoesToTheLongestPrefix) {
  EXPECT_EQ(Ask("GET", "/v1/nothing"), "nobody at /v1/: ");
  EXPECT_EQ(Ask("GET", "/nothing"), "nobody at /: ");
  EXPECT_EQ(Ask("DELETE", "/v1/jobs"), "nobody at /v1/: GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(Ask("GET", "/v1/jobs//images/1"), "nobody at /v1/: ");
}

}  // namespace
}  // namespace mind::server
