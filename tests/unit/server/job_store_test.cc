// What every job store has to do with its jobs, whatever it keeps them in.
#include "server/store/job_store.h"

#include <map>

#include "tests/unit/server/job_store_rig.h"

namespace mind::server {
namespace {

class JobStoreTest : public JobStoreRig {};
INSTANTIATE_TEST_SUITE_P(Stores, JobStoreTest, EveryStore(), NameOfStore);

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

TEST_P(JobStoreTest, AnotherTenantsJobIsNone) {
  Write({Inserted("1"), Image("1", 0, "x", 1), Ended("1", 2)});
  const auto another = Find(*store_, "1", "another");
  ASSERT_TRUE(another.ok()) << another.status();
  EXPECT_FALSE(another->has_value());
  EXPECT_EQ(Stored("1").images.size(), 1U);
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

}  // namespace
}  // namespace mind::server
