// Keys in a file, for tests that need several.
#ifndef MIND_TESTS_FUNCTIONAL_NEW_KEY_H_
#define MIND_TESTS_FUNCTIONAL_NEW_KEY_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "server/trust/key_file.h"

namespace mind::testing {

inline v1::ApiKey KeyLike(const std::string& tenant, const std::vector<v1::Scope>& scopes) {
  v1::ApiKey like;
  like.set_tenant(tenant);
  for (const v1::Scope scope : scopes) like.add_scopes(scope);
  return like;
}

// Puts a key into the file, which is made if it is not there, and gives its text.
inline std::string NewKey(const std::string& file, const v1::ApiKey& like) {
  auto [stored, text] = server::MakeKey(like, absl::Now());
  // What MakeKey does not take over.
  if (like.has_revoke_time()) *stored.mutable_key()->mutable_revoke_time() = like.revoke_time();
  const absl::Status kept = server::ChangeKeyFile(file, [&stored = stored](server::KeyTable& table) {
    table.keys[stored.key().id()] = stored;
    return absl::OkStatus();
  });
  EXPECT_TRUE(kept.ok()) << kept;
  return server::ToText(text);
}
inline std::string NewKey(const std::string& file, const std::string& tenant,
                          const std::vector<v1::Scope>& scopes) {
  return NewKey(file, KeyLike(tenant, scopes));
}

}  // namespace mind::testing

#endif  // MIND_TESTS_FUNCTIONAL_NEW_KEY_H_
