// Examples: the files they come from, and the order in which they come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/idx_files.h"
#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/training/batch_order.h"
#include "worker/training/picture_set.h"

namespace mind::training {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class DataTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return (folder_ / name).string();
  }
  std::string ErrorOfIdx(const std::string& pictures, const std::string& labels) const {
    try {
      ReadIdx(Write("pictures", pictures), Write("labels", labels));
    } catch (const diffusion::ModelError& e) {
      return e.what();
    }
    return "";
  }

  support::TemporaryFolder folder_;
};

TEST_F(DataTest, IdxIsReadPlainAndPacked) {
  const std::string prefix = (folder_ / "set").string();
  support::WriteIdx(prefix, 6, 4, 3);
  const PictureSet set = ReadIdx(prefix + "-pictures", prefix + "-labels");
  EXPECT_EQ(set.pictures.sizes(), (at::IntArrayRef{6, 3, 4, 4}));
  EXPECT_EQ(set.labels[4].item<int64_t>(), 1);
  EXPECT_EQ(set.pictures[4][2][1][0].item<int>(), 0xf0);
  EXPECT_EQ(set.pictures[4][2][2][0].item<int>(), 0x10);
  EXPECT_EQ(set.First(2).count(), 2);

  std::ifstream in(prefix + "-labels", std::ios::binary);
  const std::string plain{std::istreambuf_iterator<char>(in), {}};
  const gzFile packed = gzopen((prefix + "-labels.gz").c_str(), "wb");
  gzwrite(packed, plain.data(), static_cast<unsigned>(plain.size()));
  gzclose(packed);
  EXPECT_TRUE(at::equal(ReadIdx(prefix + "-pictures", prefix + "-labels.gz").labels, set.labels));
}

TEST_F(DataTest, WhatIsWrongWithIdxIsNamed) {
  const std::string pictures = support::IdxHeader(8, {2, 1, 1}) + "ab",
                    labels = support::IdxHeader(8, {2}) + "ab";
  EXPECT_EQ(ErrorOfIdx(pictures, labels), "");
  EXPECT_THAT(ErrorOfIdx("abc", labels), HasSubstr("pictures: not an IDX file of bytes with 3 dimensions"));
  EXPECT_THAT(ErrorOfIdx(labels, labels), HasSubstr("with 3 dimensions"));
  EXPECT_THAT(ErrorOfIdx(support::IdxHeader(13, {2, 1, 1}) + "ab", labels),
              HasSubstr("not an IDX file of bytes"));
  EXPECT_THAT(ErrorOfIdx(pictures + "c", labels), HasSubstr("3 bytes of data, 2 are announced"));
  EXPECT_THAT(ErrorOfIdx(support::IdxHeader(8, {0xffffffff, 0xffffffff, 0xffffffff}), labels),
              HasSubstr("an impossible size"));
  EXPECT_THAT(ErrorOfIdx(pictures, support::IdxHeader(8, {3}) + "abc"), HasSubstr("3 labels for 2 pictures"));
  EXPECT_THROW(ReadIdx("/nope", "/nope"), diffusion::ModelError);
}

TEST_F(DataTest, Cifar10IsReadAndChecked) {
  std::string record(3073, '\x05');
  const std::string file = Write("batch", record + record);
  const PictureSet set = ReadCifar10({file, file});
  EXPECT_EQ(set.pictures.sizes(), (at::IntArrayRef{4, 3, 32, 32}));
  EXPECT_EQ(set.labels[3].item<int64_t>(), 5);
  EXPECT_THROW(ReadCifar10({Write("short", "abc")}), diffusion::ModelError);
  EXPECT_THROW(ReadCifar10({Write("label", std::string(3073, '\x0b'))}), diffusion::ModelError);
  EXPECT_THROW(ReadCifar10({}), diffusion::ModelError);
}

TEST_F(DataTest, EveryExampleComesOnceAnEpoch) {
  BatchOrder order(10, 3);
  const std::vector<int64_t> two_epochs = order.At(0, 20);
  EXPECT_EQ(std::set<int64_t>(two_epochs.begin(), two_epochs.begin() + 10).size(), 10U);
  EXPECT_EQ(std::set<int64_t>(two_epochs.begin() + 10, two_epochs.end()).size(), 10U);
  EXPECT_FALSE(std::equal(two_epochs.begin(), two_epochs.begin() + 10, two_epochs.begin() + 10));
  BatchOrder later(10, 3);
  EXPECT_EQ(later.At(7, 6), (std::vector<int64_t>{two_epochs.begin() + 7, two_epochs.begin() + 13}));
  BatchOrder other(10, 4);
  EXPECT_NE(other.At(0, 20), two_epochs);
}

}  // namespace
}  // namespace mind::training
