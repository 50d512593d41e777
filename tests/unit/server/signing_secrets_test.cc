#include "server/generation/signing_secrets.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class SigningSecretsTest : public ServiceRig {
 protected:
  std::vector<std::string> Secrets() {
    const auto [reply, answer] = Expect<std::vector<std::string>>();
    service().ListSigningSecrets(answer);
    const auto secrets = Answered<std::vector<std::string>>(reply);
    EXPECT_TRUE(secrets.ok()) << secrets.status();
    return secrets.value_or(std::vector<std::string>());
  }
};

TEST_F(SigningSecretsTest, OneIsMadeAndKept) {
  const std::vector<std::string> secrets = Secrets();
  ASSERT_EQ(secrets.size(), 1U);
  EXPECT_EQ(secrets[0].size(), 32U);
  EXPECT_EQ(Secrets(), secrets);
  Restart();
  EXPECT_EQ(Secrets(), secrets);
}

TEST_F(SigningSecretsTest, ANewOneComesEveryDayAndTheLastStaysGood) {
  const std::string first = Secrets().at(0);
  now_ += absl::Hours(24);
  const std::vector<std::string> second = Secrets();
  ASSERT_EQ(second.size(), 2U);
  EXPECT_NE(second[0], first);
  EXPECT_EQ(second[1], first);
  now_ += absl::Hours(24);
  const std::vector<std::string> third = Secrets();
  EXPECT_THAT(third, testing::ElementsAre(testing::Not(testing::AnyOf(first, second[0])), second[0]));
  Restart();
  EXPECT_EQ(Secrets(), third);
}

TEST_F(SigningSecretsTest, NoneIsGivenOutThatIsNotKept) {
  store_.slow = true;
  const auto [reply, answer] = Expect<std::vector<std::string>>();
  service().ListSigningSecrets(answer);
  Settle();
  EXPECT_FALSE(reply->has_value());
  store_.Release();
  EXPECT_TRUE(Answered<std::vector<std::string>>(reply).ok());
}

}  // namespace
}  // namespace mind::server
