// What a job store keeps beside its jobs: models, who is to be told, secrets, usage, prices.
#include <gmock/gmock.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/job_store_rig.h"

namespace mind::server {
namespace {

class KeptBesideJobsTest : public JobStoreRig {};
INSTANTIATE_TEST_SUITE_P(Stores, KeptBesideJobsTest, EveryStore(), NameOfStore);

TEST_P(KeptBesideJobsTest, KeepsModelsAsTheyWereDescribedLast) {
  v1::Model a, b;
  a.set_name("a");
  b.set_name("b");
  Write({SaveModel{a}, SaveModel{b}});
  a.set_max_steps(7);
  Write({SaveModel{a}});
  Reopen();
  const auto models = AllModels(*store_);
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 2U);
  EXPECT_EQ((*models)[0].max_steps(), 7U);
}

TEST_P(KeptBesideJobsTest, KnowsWhoIsStillToBeToldOfAnEnd) {
  EndJob hooked = Ended("1", 5);
  hooked.job.set_webhook_url("http://there/");
  const auto untold = [this] {
    std::string ids;
    const absl::Status status =
        store_->ForEachUnsettledWebhook([&](const v1::Job& job) { ids += job.id() + job.webhook_url(); });
    EXPECT_TRUE(status.ok()) << status;
    return ids;
  };
  Write({Inserted("1"), Inserted("2")});
  EXPECT_EQ(untold(), "");
  Write({hooked, Ended("2", 6)});
  Reopen();
  EXPECT_EQ(untold(), "1http://there/");
  Write({SettleWebhook{"1"}, SettleWebhook{"gone"}});
  Reopen();
  EXPECT_EQ(untold(), "");
}

TEST_P(KeptBesideJobsTest, KeepsTheNewestSecretsOfAPurpose) {
  const auto secret = [](const std::string& bytes, int64_t made) {
    return StoredSecret{bytes, absl::FromUnixSeconds(made)};
  };
  const auto kept = [this](const std::string& purpose) {
    const auto secrets = store_->Secrets(purpose);
    EXPECT_TRUE(secrets.ok()) << secrets.status();
    std::string all;
    for (const StoredSecret& one : *secrets) all += one.secret;
    return all;
  };
  Write({AddSecret{"urls", secret("a", 1)}, AddSecret{"other", secret("x", 1)}});
  Write({AddSecret{"urls", secret("b", 2)}});
  EXPECT_EQ(kept("urls"), "ba");
  Write({AddSecret{"urls", secret(std::string("c\0d", 3), 3)}, AddSecret{"urls", secret("a", 1)}});
  Reopen();
  EXPECT_EQ(kept("urls"), std::string("c\0d", 3) + "b");
  EXPECT_EQ(kept("other"), "x");
  EXPECT_EQ(kept("nothing"), "");
  EXPECT_EQ(store_->Secrets("urls")->front().made, absl::FromUnixSeconds(3));
}

TEST_P(KeptBesideJobsTest, KnowsWhatWasUsedLongerThanTheJobs) {
  const auto used = [](const std::string& id, const std::string& tenant, const std::string& key,
                       absl::Time when, double seconds) {
    EndJob end = Ended(id, 1, when);
    end.job.set_tenant(tenant);
    end.job.set_key_id(key);
    end.job.mutable_spec()->set_model("模型");
    end.job.set_images_done(2);
    end.job.set_steps_total(40);
    end.job.set_worker_seconds(seconds);
    return end;
  };
  const absl::Time day = absl::UnixEpoch() + absl::Hours(24 * 1000);
  StoreBatch batch = {Inserted("1"),
                      Inserted("2"),
                      Inserted("3"),
                      used("1", "acme", "k1", day + absl::Hours(1), 1.5),
                      used("2", "acme", "k1", day + absl::Hours(2), 2),
                      used("3", "other", "", day + absl::Hours(25), 4)};
  Write(batch);
  Write(batch);  // again, as of which nobody knows whether it was committed
  Write({ForgetJob{"1"}});
  Reopen();
  const auto list = [this](const UsageQuery& query) {
    std::vector<std::string> lines;
    const auto usage = Await<absl::StatusOr<std::vector<v1::Usage>>>(
        [&](const auto& done) { store_->ListUsage(query, done); });
    EXPECT_TRUE(usage.ok()) << usage.status();
    for (const v1::Usage& one : *usage) {
      lines.push_back(absl::StrCat(one.day().seconds() / 86'400, " ", one.tenant(), " ", one.key_id(), " ",
                                   one.model(), " ", one.jobs(), " ", one.images(), " ", one.steps(), " ",
                                   one.worker_seconds()));
    }
    return lines;
  };
  const std::string acme = "1000 acme k1 模型 2 4 80 3.5", other = "1001 other  模型 1 2 40 4";
  EXPECT_THAT(list({.limit = 10}), testing::ElementsAre(acme, other));
  EXPECT_THAT(list({.limit = 1}), testing::ElementsAre(acme));
  EXPECT_THAT(list({.tenant = "other", .limit = 10}), testing::ElementsAre(other));
  EXPECT_THAT(list({.from = day + absl::Hours(24), .limit = 10}), testing::ElementsAre(other));
  EXPECT_THAT(list({.to = day + absl::Hours(2), .limit = 10}),
              testing::ElementsAre("1000 acme k1 模型 1 2 40 1.5"));
  const auto since = store_->UsedSince(day + absl::Hours(2));
  ASSERT_TRUE(since.ok()) << since.status();
  ASSERT_EQ(since->size(), 2U);
  EXPECT_EQ(since->at(0).tenant, "acme");
  EXPECT_EQ(since->at(0).ended, day + absl::Hours(2));
  EXPECT_EQ(since->at(0).worker_seconds, 2);
  EXPECT_EQ(since->at(1).tenant, "other");
  // It is forgotten too, in the end.
  const auto purge = [this](absl::Time before) {
    return Await<absl::StatusOr<int>>(
        [&](const auto& done) { store_->Purge({.ended_before = before}, 2, done); });
  };
  EXPECT_EQ(*purge(day + absl::Hours(48)), 2);
  EXPECT_THAT(list({.limit = 10}), testing::ElementsAre(acme, other));
  EXPECT_EQ(*purge(day + absl::Hours(48)), 0);
  EXPECT_EQ(*purge(day + absl::Hours(24) + kUsageKept), 2);
  EXPECT_THAT(list({.limit = 10}), testing::ElementsAre(other));
  // Not all at once.
  Write({used("4", "acme", "k1", day + absl::Hours(1), 1), used("5", "acme", "k1", day + absl::Hours(2), 1)});
  EXPECT_EQ(*purge(day + absl::Hours(48) + kUsageKept), 2);
  EXPECT_THAT(list({.limit = 10}), testing::ElementsAre(other)) << "the oldest first";
  EXPECT_EQ(*purge(day + absl::Hours(48) + kUsageKept), 1);
  EXPECT_TRUE(list({.limit = 10}).empty());
}

TEST_P(KeptBesideJobsTest, KeepsWhatModelsCostLast) {
  const auto price = [](const std::string& model, const std::string& revision, int ms) {
    return SavePrice{{.model = model,
                      .revision = revision,
                      .row = absl::Milliseconds(ms),
                      .row_megapixel = absl::Milliseconds(10 * ms)}};
  };
  EXPECT_TRUE(store_->Prices()->empty());
  const std::string strange("a\0\xff", 3);
  Write({price("m", "one", 5), price(strange, strange, 7)});
  Write({price("m", "two", 6)});
  Reopen();
  const auto prices = store_->Prices();
  ASSERT_TRUE(prices.ok()) << prices.status();
  std::map<std::string, StoredPrice> found;
  for (const StoredPrice& one : *prices) found[one.model] = one;
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found["m"].revision, "two");
  EXPECT_EQ(found["m"].row, absl::Milliseconds(6));
  EXPECT_EQ(found["m"].row_megapixel, absl::Milliseconds(60));
  EXPECT_EQ(found[strange].revision, strange);
}

}  // namespace
}  // namespace mind::server
