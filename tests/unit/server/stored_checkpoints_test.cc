// The newest state of each picture, where a job store keeps that.
#include "tests/unit/server/job_store_rig.h"

namespace mind::server {
namespace {

class StoredCheckpointsTest : public JobStoreRig {
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
INSTANTIATE_TEST_SUITE_P(Stores, StoredCheckpointsTest, testing::Values(kSqlite, kPostgres), NameOfStore);

TEST_P(StoredCheckpointsTest, TheNewestOfEachPictureIsThereWhenTheNextDecides) {
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

TEST_P(StoredCheckpointsTest, NothingIsKeptOfJobsThatHaveEndedOrAreNotThere) {
  if (store_->checkpoints() == nullptr) return;
  Write({Inserted("1"), Inserted("2"), Inserted("3"), Ended("1", 5)});
  ASSERT_TRUE(Save({State("1", 0, 3), State("2", 0, 4), State("3", 0, 5), State("nobody's", 0, 6)}).ok());
  EXPECT_EQ(Kept(), "2/0@4 3/0@5 ");
  store_->checkpoints()->Forget({"3", "nobody's"});
  EXPECT_EQ(Kept(), "2/0@4 ");
  Write({Ended("2", 6)});
  EXPECT_EQ(Kept(), "");
}

TEST_P(StoredCheckpointsTest, ThereMayBeManyPagesOfThem) {
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
