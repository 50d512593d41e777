// What every job store has to do, whatever it keeps its jobs in.
#include "server/store/job_store.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/store/sqlite_job_store.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/postgres_rig.h"
#include "tests/unit/server/s3_rig.h"
#include "tests/unit/server/store_rig.h"

namespace mind::server {
namespace {

// A kind of store: opened again and again over the same data.
struct StoreKind {
  const char* name;
  absl::StatusOr<std::unique_ptr<JobStore>> (*open)(const std::string& directory);
};
constexpr StoreKind kSqlite{
    "Sqlite", [](const std::string& directory) {
      return absl::StatusOr<std::unique_ptr<JobStore>>(SqliteJobStore::Open(directory));
    }};
// In a schema of the folder's own.
std::string UrlFor(const std::string& directory) {
  const std::string file = directory + "/schema";
  if (!std::filesystem::exists(file)) std::ofstream(file) << support::SharedPostgres().NewSchema();
  std::string url;
  std::getline(std::ifstream(file), url);
  return url;
}
constexpr StoreKind kPostgres{
    "Postgres", [](const std::string& directory) {
      return absl::StatusOr<std::unique_ptr<JobStore>>(OpenPostgres(UrlFor(directory)));
    }};
// Pictures of more than two bytes are objects.
std::shared_ptr<ObjectStore> ObjectsFor(const std::string& directory) {
  S3Options options = OptionsFor(support::SharedS3(), directory + "/");
  options.above = 2;
  return OpenS3(options);
}
constexpr StoreKind kSqliteAndS3{"SqliteAndS3", [](const std::string& directory) {
                                   return absl::StatusOr<std::unique_ptr<JobStore>>(SqliteJobStore::Open(
                                       directory, absl::Seconds(5), ObjectsFor(directory)));
                                 }};
constexpr StoreKind kPostgresAndS3{"PostgresAndS3", [](const std::string& directory) {
                                     return absl::StatusOr<std::unique_ptr<JobStore>>(
                                         OpenPostgres(UrlFor(directory), ObjectsFor(directory)));
                                   }};

class JobStoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  JobStoreTest() { Reopen(); }

  void Reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_.string());
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  void Write(StoreBatch batch) {
    const absl::Status status = Commit(*store_, std::move(batch));
    ASSERT_TRUE(status.ok()) << status;
  }
  StoredJob Stored(const std::string& id) {
    const auto found = Find(*store_, id);
    EXPECT_TRUE(found.ok() && found->has_value()) << id;
    return found.ok() ? found->value_or(StoredJob()) : StoredJob();
  }
  bool Has(const std::string& id) {
    const auto found = Find(*store_, id);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() && found->has_value();
  }

  const support::TemporaryFolder folder_;
  std::unique_ptr<JobStore> store_;
};
INSTANTIATE_TEST_SUITE_P(Stores, JobStoreTest,
                         testing::Values(kSqlite, kPostgres, kSqliteAndS3, kPostgresAndS3),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(JobStoreTest, KeepsJobsOverAReopening) {
  Write({Inserted("1")});
  Reopen();
  EXPECT_EQ(Stored("1").job.spec().prompt(), "提示 1");
  EXPECT_FALSE(Has("2"));
}

TEST_P(JobStoreTest, EpochRisesWithEveryOpening) {
  const uint64_t first = store_->epoch();
  Reopen();
  EXPECT_EQ(store_->epoch(), first + 1);
}

TEST_P(JobStoreTest, ABatchIsCommittedWhollyInItsOrder) {
  Write({Inserted("1"), UpdateJob{StoreJob("1", v1::JOB_STATE_RUNNING)}, Image("1", 0, "x", 5), Ended("1", 6),
         Inserted("2")});
  EXPECT_EQ(Stored("1").job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Stored("1").end_sequence, 6U);
  EXPECT_EQ(UnfinishedIds(*store_), "2");
}

TEST_P(JobStoreTest, ABatchThatFailsInTheMiddleChangesNothing) {
  Write({Inserted("1", {"t", "r", "print", ""})});
  const StoreBatch batch = {Inserted("2"), Inserted("3", {"t", "r", "print", ""})};  // the id is taken
  EXPECT_FALSE(Commit(*store_, batch).ok());
  EXPECT_EQ(List(*store_, "t"), "1");
  Write({Inserted("4")});
}

// A commit whose outcome nobody knows is tried again as it is.
TEST_P(JobStoreTest, ABatchCommittedTwiceIsAsIfOnce) {
  v1::Model model;
  model.set_name("m");
  const StoreBatch first = {Inserted("1", {"t", "r", "print", ""}, true), Inserted("2"), Inserted("gone"),
                            SaveModel{model}};
  const StoreBatch second = {Inserted("3", {"t", "r", "print", "1"}, true), Image("2", 0, "x", 5),
                             Ended("2", 6), UntieJob{"1"}, ForgetJob{"gone"}};
  for (const StoreBatch& batch : {first, first, second, second}) Write(batch);
  EXPECT_EQ(List(*store_, "t"), "321");
  EXPECT_EQ(FindRequest(*store_, "t", "r").value()->stored.job.id(), "3");
  EXPECT_EQ(Stored("2").images.size(), 1U);
  EXPECT_FALSE(Stored("1").tied);
  EXPECT_TRUE(Stored("3").tied);
  EXPECT_EQ(AllModels(*store_)->size(), 1U);
}

TEST_P(JobStoreTest, WhatWasAskedForBeforeItIsClosedIsDone) {
  for (int i = 0; i < 20; ++i) {
    store_->Commit(std::make_shared<const StoreBatch>(StoreBatch{Inserted(std::to_string(i))}),
                   [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  }
  Reopen();
  EXPECT_EQ(Unfinished(*store_).size(), 20U);
}

TEST_P(JobStoreTest, TakesNamesOfAnyKind) {
  v1::Model model;
  model.set_name(std::string("a\0b", 3));
  Write({Inserted("1"), SaveModel{model}, SaveModel{model}});
  ASSERT_EQ(AllModels(*store_)->size(), 1U);
  EXPECT_EQ(AllModels(*store_)->front().name(), model.name());
  for (const std::string& id : {std::string("1\0", 2), std::string("\xff"), std::string()}) {
    EXPECT_FALSE(Has(id));
    EXPECT_FALSE(FindImage(*store_, id, 0)->has_value());
  }
}

TEST_P(JobStoreTest, FindsTheJobOfARequestId) {
  Write({Inserted("1", {"t", "request", "print", ""})});
  const auto earlier = FindRequest(*store_, "t", "request");
  ASSERT_TRUE(earlier.ok() && earlier->has_value());
  EXPECT_EQ((*earlier)->stored.job.id(), "1");
  EXPECT_EQ((*earlier)->fingerprint, "print");
  EXPECT_FALSE(FindRequest(*store_, "another", "request")->has_value());
}

TEST_P(JobStoreTest, ARequestIdGoesOverToTheJobThatReplaces) {
  Write({Inserted("1", {"t", "r", "print", ""}, true)});
  Write({Inserted("2", {"t", "r", "print", "1"}, true)});
  EXPECT_EQ(FindRequest(*store_, "t", "r").value()->stored.job.id(), "2");
  EXPECT_TRUE(Has("1"));
}

TEST_P(JobStoreTest, ListsNewestFirstByTenantAndState) {
  Write({Inserted("1"), Inserted("2"), Inserted("3"),
         InsertJob{StoreJob("4", v1::JOB_STATE_QUEUED, "other"), {}, false},
         UpdateJob{StoreJob("2", v1::JOB_STATE_RUNNING)}});
  EXPECT_EQ(List(*store_, "t"), "321");
  EXPECT_EQ(List(*store_, "t", {}, Stored("3").number, 1), "2");
  EXPECT_EQ(List(*store_, "t", {v1::JOB_STATE_QUEUED}), "31");
  EXPECT_EQ(List(*store_, "t", {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING}), "321");
  EXPECT_EQ(UnfinishedIds(*store_), "1234");
}

TEST_P(JobStoreTest, KeepsPicturesOnce) {
  const std::string bytes("\0\x89PNG\0", 6);
  Write({Inserted("1"), Image("1", 3, bytes, 17, UINT64_MAX)});
  Write({Image("1", 3, "another", 18)});
  const StoredJob job = Stored("1");
  ASSERT_EQ(job.images.size(), 1U);
  EXPECT_EQ(job.images.front().index, 3U);
  EXPECT_EQ(job.images.front().sequence, 17U);
  const auto image = FindImage(*store_, "1", 3);
  ASSERT_TRUE(image.ok() && image->has_value());
  EXPECT_EQ((*image)->data, bytes);
  EXPECT_EQ((*image)->seed, UINT64_MAX);
  EXPECT_EQ((*image)->media_type, "image/png");
  EXPECT_FALSE(FindImage(*store_, "1", 0)->has_value());
}

TEST_P(JobStoreTest, KeepsLargePicturesLikeSmallOnes) {
  const std::string large(3'000'000, 'x');
  Write({Inserted("1"), Image("1", 0, large, 1), Image("1", 1, large, 2), Image("1", 2, "small", 3)});
  Reopen();
  EXPECT_EQ(FindImage(*store_, "1", 0).value()->data, large);
  EXPECT_EQ(FindImage(*store_, "1", 1).value()->data, large);
  EXPECT_EQ(FindImage(*store_, "1", 2).value()->data, "small");
}

TEST_P(JobStoreTest, KeepsThePicturesThatRequestsBring) {
  const Blob small = MakeBlob("small"), large = MakeBlob(std::string(3'000'000, 'y'));
  InsertJob both = Inserted("1"), one = Inserted("2");
  both.pictures = {small, large};
  one.pictures = {large};
  Write({both, one, Inserted("3")});
  Reopen();
  EXPECT_EQ(FindSources(*store_, "1").value(),
            (PictureBytes{{small.hash, *small.data}, {large.hash, *large.data}}));
  Write({ForgetJob{"1"}});
  EXPECT_EQ(FindSources(*store_, "2").value(), (PictureBytes{{large.hash, *large.data}}));  // it has it too
  EXPECT_EQ(FindSources(*store_, "1").value(), PictureBytes());
  EXPECT_EQ(FindSources(*store_, "3").value(), PictureBytes());
}

TEST_P(JobStoreTest, APictureOfAJobThatIsNotThereIsPassedOver) {
  Write({Image("nobody's", 0, "x", 1), Inserted("1")});
  EXPECT_FALSE(FindImage(*store_, "nobody's", 0)->has_value());
  EXPECT_TRUE(Has("1"));
}

TEST_P(JobStoreTest, AnUpdateDoesNotUndoAnEnd) {
  Write({Inserted("1"), Ended("1", 3), UpdateJob{StoreJob("1", v1::JOB_STATE_RUNNING)}});
  EXPECT_EQ(Stored("1").job.state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_P(JobStoreTest, GivesWhatHasNotEndedInOrderWithItsPictures) {
  StoreBatch batch;
  for (const char* const id : {"1", "2", "3", "4", "5"}) batch.push_back(Inserted(id));
  for (const char* const id : {"5", "2", "3"}) {
    for (uint32_t index : {2U, 0U}) batch.push_back(Image(id, index, "x", 10 + index));
  }
  batch.push_back(Ended("3", 20));
  Write(batch);
  Reopen();
  const std::vector<StoredJob> jobs = Unfinished(*store_);
  std::string seen;
  for (const StoredJob& stored : jobs) {
    seen += stored.job.id() + ":";
    for (const ImageMark& mark : stored.images)
      seen += std::to_string(mark.index) + std::to_string(mark.sequence);
    seen += " ";
  }
  EXPECT_EQ(seen, "1: 2:010212 4: 5:010212 ");
}

TEST_P(JobStoreTest, KeepsHowAJobEndedAndWhetherItIsTied) {
  Write({Inserted("1", {}, true), Inserted("2", {}, true), UntieJob{"2"}, Ended("1", UINT64_C(3) << 40)});
  Reopen();
  EXPECT_TRUE(Stored("1").tied);
  EXPECT_EQ(Stored("1").end_sequence, UINT64_C(3) << 40);
  EXPECT_FALSE(Stored("2").tied);
  EXPECT_EQ(Stored("2").end_sequence, 0U);
  EXPECT_EQ(UnfinishedIds(*store_), "2");
}

TEST_P(JobStoreTest, PurgesEndedJobsWithTheirPicturesAFewAtATime) {
  StoreBatch batch;
  for (const char* const id : {"1", "2", "3", "4"}) batch.push_back(Inserted(id));
  for (const char* const id : {"1", "2", "3"}) {
    batch.push_back(Image(id, 0, "x", 1));
    batch.push_back(Ended(id, 5));
  }
  Write(batch);
  EXPECT_EQ(Purge(*store_, absl::UnixEpoch()), 0);
  EXPECT_EQ(Purge(*store_, absl::UnixEpoch() + absl::Hours(2), 2), 2);
  EXPECT_EQ(Purge(*store_, absl::UnixEpoch() + absl::Hours(2), 2), 1);
  EXPECT_EQ(List(*store_, "t"), "4");
  for (const char* const id : {"1", "2", "3"}) EXPECT_FALSE(FindImage(*store_, id, 0)->has_value());
}

TEST_P(JobStoreTest, PurgesTheJobsOfATenantAndThoseOfAllButSome) {
  const absl::Time hour = absl::UnixEpoch() + absl::Hours(1);
  StoreBatch batch;
  for (const auto& [id, tenant] : {std::pair("1", "a"), {"2", "a"}, {"3", "b"}, {"4", "c"}, {"5", "c"}}) {
    InsertJob insert{StoreJob(id, v1::JOB_STATE_QUEUED, tenant), {}, false, {}};
    batch.push_back(insert);
    if (std::string(id) == "2") continue;  // has not ended
    EndJob end{StoreJob(id, v1::JOB_STATE_SUCCEEDED, tenant), 5};
    *end.job.mutable_end_time() = ToTimestamp(std::string(id) == "5" ? hour + absl::Hours(5) : hour);
    batch.push_back(end);
  }
  Write(batch);
  const absl::Time later = hour + absl::Hours(10);
  EXPECT_EQ(Purge(*store_, {.ended_before = later, .tenant = "nobody"}), 0);
  EXPECT_EQ(Purge(*store_, {.ended_before = hour, .tenant = "a"}), 0);
  EXPECT_EQ(Purge(*store_, {.ended_before = later, .tenant = "a"}), 1);
  EXPECT_EQ(List(*store_, "a"), "2");
  EXPECT_EQ(
      Purge(*store_, {.ended_before = later, .except = {"a", "b"}, .ended_since = hour + absl::Hours(1)}), 1);
  EXPECT_EQ(List(*store_, "c"), "4");
  EXPECT_EQ(Purge(*store_, {.ended_before = later, .except = {"a", "b"}}), 1);
  EXPECT_EQ(List(*store_, "b"), "3");
  EXPECT_EQ(Purge(*store_, {.ended_before = later}), 1);
  EXPECT_EQ(List(*store_, "b") + List(*store_, "c"), "");
}

TEST_P(JobStoreTest, KeepsModelsAsTheyWereDescribedLast) {
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

TEST_P(JobStoreTest, FindsJobsByTheirLabels) {
  const auto labelled = [](const std::string& id, std::map<std::string, std::string> labels) {
    InsertJob insert = Inserted(id);
    insert.job.mutable_labels()->insert(labels.begin(), labels.end());
    return insert;
  };
  InsertJob others = labelled("9", {{"user", "ann"}});
  others.job.set_tenant("another");
  Write({labelled("1", {{"user", "ann"}, {"run", "7"}}), labelled("2", {{"user", "ann"}}),
         labelled("3", {{"user", "bob"}, {"run", "7"}}), labelled("4", {}), others,
         labelled("5", {{"run", "7"}, {"user", "ann"}, {"城市", "上海"}})});
  const auto listed = [this](std::map<std::string, std::string> labels, std::vector<v1::JobState> states = {},
                             uint64_t before = UINT64_MAX, int limit = 10) {
    JobQuery query{.tenant = "t",
                   .states = std::move(states),
                   .before = before,
                   .limit = limit,
                   .labels = std::move(labels)};
    const auto jobs =
        Await<absl::StatusOr<std::vector<StoredJob>>>([&](const auto& done) { store_->List(query, done); });
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    std::string ids;
    for (const StoredJob& stored : *jobs) ids += stored.job.id();
    return ids;
  };
  EXPECT_EQ(listed({{"user", "ann"}}), "521");
  EXPECT_EQ(listed({{"user", "ann"}, {"run", "7"}}), "51");
  EXPECT_EQ(listed({{"user", "ann"}, {"run", "7"}, {"城市", "上海"}}), "5");
  EXPECT_EQ(listed({{"user", "ann"}}, {}, Stored("5").number, 1), "2");
  EXPECT_EQ(listed({{"user", "nobody"}}), "");
  Write({Ended("2", 5)});
  EXPECT_EQ(listed({{"user", "ann"}}, {v1::JOB_STATE_SUCCEEDED}), "2");
  Write({ForgetJob{"2"}});
  Reopen();
  EXPECT_EQ(listed({{"user", "ann"}}), "51");
  EXPECT_EQ(listed({}), "5431");
}

TEST_P(JobStoreTest, KnowsWhoIsStillToBeToldOfAnEnd) {
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

TEST_P(JobStoreTest, KeepsTheNewestSecretsOfAPurpose) {
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

TEST_P(JobStoreTest, KnowsWhatWasUsedLongerThanTheJobs) {
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

TEST_P(JobStoreTest, KeepsWhatModelsCostLast) {
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

// What S3 holds of a job; with it goes all of it.
class JobStoreTestOfObjects : public JobStoreTest {
 protected:
  void AwaitDeletions(int count) {
    WaitFor("objects to go", [&] { return support::SharedS3().Count("DELETE") >= deletions_ + count; });
    EXPECT_EQ(support::SharedS3().Count("DELETE"), deletions_ + count);
  }
  const int deletions_ = support::SharedS3().Count("DELETE");
};
INSTANTIATE_TEST_SUITE_P(Stores, JobStoreTestOfObjects, testing::Values(kSqliteAndS3, kPostgresAndS3),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(JobStoreTestOfObjects, TheyGoWithTheirJobs) {
  InsertJob first = Inserted("1"), second = Inserted("2");
  first.pictures = second.pictures = {MakeBlob("the same"), MakeBlob("x")};
  Write({first, second, Image("1", 0, "made", 1), Image("2", 0, "y", 1), Ended("1", 2)});
  EXPECT_EQ(Purge(*store_, absl::UnixEpoch() + absl::Hours(2)), 1);
  AwaitDeletions(2);
  EXPECT_EQ(FindSources(*store_, "2")->size(), 2U);
  Write({ForgetJob{"2"}});
  AwaitDeletions(3);
}

// A worker has put it there.
TEST_P(JobStoreTestOfObjects, OneThatIsThereAlreadyIsGivenOutOnceItIsNamed) {
  const Blob blob = MakeBlob("uploaded");
  const auto objects = ObjectsFor(folder_.string());
  ASSERT_TRUE(Await<absl::Status>([&](const auto& done) {
                objects->Put({"jobs/1/0.1", blob.hash}, blob.data, done);
              }).ok());
  AddImage image = Image("1", 0, "", 1);
  image.data = nullptr;
  image.object = StoredObject{"jobs/1/0.1", blob.hash};
  Write({Inserted("1"), image});
  Write({Inserted("1"), image});
  Reopen();
  EXPECT_EQ(FindImage(*store_, "1", 0).value()->data, "uploaded");
  objects->Delete("jobs/1/0.1");
  AwaitDeletions(1);
  EXPECT_EQ(FindImage(*store_, "1", 0).value(), std::nullopt);
}

TEST_P(JobStoreTestOfObjects, WhileTheyCannotBeHadTheRestGoesOn) {
  support::S3Server& server = support::SharedS3();
  InsertJob brings = Inserted("1");
  brings.pictures = {MakeBlob("brought")};
  Write({brings, Image("1", 0, "made", 1)});
  const StoreBatch later = {Inserted("2"), Image("1", 1, "also made", 2)};
  server.Do("down");
  for (const absl::Status& status :
       {Commit(*store_, later), FindImage(*store_, "1", 0).status(), FindSources(*store_, "1").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_TRUE(GetRetryDelay(status).has_value());
  }
  EXPECT_FALSE(Has("2"));
  Write({Inserted("3"), Image("3", 0, "x", 1)});
  EXPECT_EQ(FindImage(*store_, "3", 0).value()->data, "x");
  server.Stop("down");
  Write(later);
  EXPECT_EQ(FindImage(*store_, "1", 1).value()->data, "also made");
  EXPECT_EQ(FindSources(*store_, "1")->size(), 1U);
}

class JobStoreTestOfStates : public JobStoreTest {
 protected:
  static StoredCheckpoint State(const std::string& job, uint32_t image, uint32_t step, uint32_t attempt = 1,
                                const std::string& data = "state") {
    return {.job_id = job,
            .image_index = image,
            .attempt = attempt,
            .step = step,
            .revision = "r",
            .data = std::make_shared<const std::string>(data)};
  }
  absl::Status Save(std::vector<StoredCheckpoint> states) {
    return Await<absl::Status>(
        [&](const auto& done) { store_->checkpoints()->Save(std::move(states), done); });
  }
  // In the order they come.
  std::string Kept() {
    std::string kept;
    const absl::Status read = store_->checkpoints()->ForEach([&](const StoredCheckpoint& one) {
      kept += one.job_id + "/" + std::to_string(one.image_index) + "@" + std::to_string(one.step) + " ";
    });
    EXPECT_TRUE(read.ok()) << read;
    return kept;
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, JobStoreTestOfStates, testing::Values(kSqlite, kPostgres),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(JobStoreTestOfStates, TheNewestOfEachPictureIsThereWhenTheNextDecides) {
  if (store_->checkpoints() == nullptr) {
    EXPECT_STREQ(GetParam().name, "Sqlite");
    return;
  }
  Write({Inserted("1"), Inserted("2"), Inserted("3")});
  const std::string large(1'000'000, '\0');
  ASSERT_TRUE(Save({State("1", 0, 3), State("2", 0, 4, 2), State("2", 1, 5, 1), State("2", 2, 6, 3)}).ok());
  ASSERT_TRUE(Save({State("1", 0, 7, 1, large)}).ok());
  Reopen();
  EXPECT_EQ(Kept(), "1/0@7 2/2@6 2/0@4 2/1@5 ");  // of a job the newest attempt first
  std::string data, revision;
  ASSERT_TRUE(store_->checkpoints()
                  ->ForEach([&](const StoredCheckpoint& one) {
                    if (one.job_id == "1") data = *one.data, revision = one.revision;
                  })
                  .ok());
  EXPECT_EQ(data, large);
  EXPECT_EQ(revision, "r");
}

TEST_P(JobStoreTestOfStates, NothingIsKeptOfJobsThatHaveEndedOrAreNotThere) {
  if (store_->checkpoints() == nullptr) return;
  Write({Inserted("1"), Inserted("2"), Inserted("3"), Ended("1", 5)});
  ASSERT_TRUE(Save({State("1", 0, 3), State("2", 0, 4), State("3", 0, 5), State("nobody's", 0, 6)}).ok());
  EXPECT_EQ(Kept(), "2/0@4 3/0@5 ");
  store_->checkpoints()->Forget({"3", "nobody's"});
  EXPECT_EQ(Kept(), "2/0@4 ");
  Write({Ended("2", 6)});
  EXPECT_EQ(Kept(), "");
}

TEST_P(JobStoreTestOfStates, ThereMayBeManyPagesOfThem) {
  if (store_->checkpoints() == nullptr) return;
  std::string expected;
  for (int job = 0; job < 5; ++job) {
    const std::string id(1, static_cast<char>('a' + job));
    Write({Inserted(id)});
    std::vector<StoredCheckpoint> states;
    for (uint32_t image = 0; image < 16; ++image) {
      states.push_back(State(id, image, 1 + image));
      expected += id + "/" + std::to_string(image) + "@" + std::to_string(1 + image) + " ";
    }
    ASSERT_TRUE(Save(states).ok());
  }
  EXPECT_EQ(Kept(), expected);
}

}  // namespace
}  // namespace mind::server
