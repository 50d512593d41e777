#include "proto/support/tls_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace mind {
namespace {

using support::Authority;
using ::testing::HasSubstr;

class TlsIdentityTest : public ::testing::Test {
 protected:
  std::string Path(const char* name) const { return folder_ / name; }
  absl::StatusOr<std::shared_ptr<TlsIdentity>> Load() const {
    return TlsIdentity::Load(Path("a.crt"), Path("a.key"));
  }

  const support::TemporaryFolder folder_;
  const Authority authority_;
};

TEST_F(TlsIdentityTest, AnotherPairTakesThePlaceAndHalfOfOneDoesNot) {
  const auto first = authority_.IssueForLoopback("first"), second = authority_.IssueForLoopback("second");
  first.Write(Path("a"));
  const auto identity = Load();
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ((*identity)->pair()->certificate.subject, "CN=first");
  EXPECT_FALSE((*identity)->ReadAgain());
  support::ReplaceFile(Path("a.crt"), second.certificate);
  EXPECT_FALSE((*identity)->ReadAgain());
  EXPECT_EQ((*identity)->pair()->chain, first.certificate);
  support::ReplaceFile(Path("a.key"), second.key);
  EXPECT_TRUE((*identity)->ReadAgain());
  EXPECT_EQ((*identity)->pair()->certificate.subject, "CN=second");
  EXPECT_EQ((*identity)->pair()->key, second.key);
}

TEST_F(TlsIdentityTest, WhatIsNoPairIsNamed) {
  EXPECT_THAT(std::string(Load().status().message()), HasSubstr("cannot read " + Path("a.crt")));
  const auto one = authority_.IssueForLoopback(), other = authority_.IssueForLoopback();
  one.Write(Path("a"));
  support::ReplaceFile(Path("a.key"), other.key);
  EXPECT_THAT(std::string(Load().status().message()), HasSubstr("is not that of the certificate in"));
  support::ReplaceFile(Path("a.key"), "nonsense");
  EXPECT_THAT(std::string(Load().status().message()), HasSubstr("it holds no private key in PEM"));
  support::ReplaceFile(Path("a.crt"), one.key);
  EXPECT_THAT(std::string(Load().status().message()), HasSubstr("it holds no certificate in PEM"));
}

}  // namespace
}  // namespace mind
