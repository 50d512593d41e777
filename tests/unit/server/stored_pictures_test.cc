// The pictures that a job store keeps with its jobs: those that were made, and those that requests bring.
#include "proto/support/errors.h"
#include "tests/unit/server/job_store_rig.h"

namespace mind::server {
namespace {

class StoredPicturesTest : public JobStoreRig {};
INSTANTIATE_TEST_SUITE_P(Stores, StoredPicturesTest, EveryStore(), NameOfStore);

TEST_P(StoredPicturesTest, KeepsPicturesOnce) {
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

TEST_P(StoredPicturesTest, KeepsLargePicturesLikeSmallOnes) {
  const std::string large(3'000'000, 'x');
  Write({Inserted("1"), Image("1", 0, large, 1), Image("1", 1, large, 2), Image("1", 2, "small", 3)});
  Reopen();
  EXPECT_EQ(FindImage(*store_, "1", 0).value()->data, large);
  EXPECT_EQ(FindImage(*store_, "1", 1).value()->data, large);
  EXPECT_EQ(FindImage(*store_, "1", 2).value()->data, "small");
}

TEST_P(StoredPicturesTest, KeepsThePicturesThatRequestsBring) {
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

TEST_P(StoredPicturesTest, APictureOfAJobThatIsNotThereIsPassedOver) {
  Write({Image("nobody's", 0, "x", 1), Inserted("1")});
  EXPECT_FALSE(FindImage(*store_, "nobody's", 0)->has_value());
  EXPECT_TRUE(Has("1"));
}

// What S3 holds of a job; with it goes all of it.
class StoredPicturesAsObjects : public JobStoreRig {
 protected:
  void AwaitDeletions(int count) {
    WaitFor("objects to go", [&] { return support::SharedS3().Count("DELETE") >= deletions_ + count; });
    EXPECT_EQ(support::SharedS3().Count("DELETE"), deletions_ + count);
  }
  const int deletions_ = support::SharedS3().Count("DELETE");
};
INSTANTIATE_TEST_SUITE_P(Stores, StoredPicturesAsObjects, testing::Values(kSqliteAndS3, kPostgresAndS3),
                         NameOfStore);

TEST_P(StoredPicturesAsObjects, TheyGoWithTheirJobs) {
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
TEST_P(StoredPicturesAsObjects, OneThatIsThereAlreadyIsGivenOutOnceItIsNamed) {
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

TEST_P(StoredPicturesAsObjects, WhileTheyCannotBeHadTheRestGoesOn) {
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

}  // namespace
}  // namespace mind::server
