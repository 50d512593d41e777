// T5's tokenizer over a small model of pieces; all cases of the reference are mind-golden's.
#include "worker/diffusion/text/t5_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_floyd.h"

namespace mind::diffusion {
namespace {

using testing::ElementsAre;

class T5TokenizerTest : public testing::Test {
 protected:
  T5TokenizerTest() {
    TinyFloyd::Write(folder_.path() + "/if");
    tokenizer_ = T5Tokenizer::FromDirectory(folder_.path() + "/if/tokenizer");
  }

  const mind::support::ModelFolder folder_;
  std::unique_ptr<const T5Tokenizer> tokenizer_;
};

// <pad>, </s>, <unk>, a space, " cat", a to z, and four sentinels.
TEST_F(T5TokenizerTest, EndsWithAMarkAndIsPaddedBehindIt) {
  EXPECT_THAT(tokenizer_->Encode(""), ElementsAre(1));
  EXPECT_THAT(tokenizer_->Encode("  a cat"), ElementsAre(3, 5, 4, 1));
  EXPECT_THAT(tokenizer_->EncodePadded("a cat", 6), ElementsAre(3, 5, 4, 1, 0, 0));
  EXPECT_THAT(tokenizer_->EncodePadded("a cat", 4), ElementsAre(3, 5, 4, 1));
  EXPECT_THAT(tokenizer_->EncodePadded("a cat", 3), ElementsAre(3, 5, 1));
  EXPECT_EQ(tokenizer_->largest_id(), 34);
  EXPECT_EQ(tokenizer_->model_length(), 512U);
}

TEST_F(T5TokenizerTest, UnknownCharactersInARowAreOne) {
  EXPECT_THAT(tokenizer_->Encode("a\u4e00\u4e01"), ElementsAre(3, 5, 2, 1));
}

TEST_F(T5TokenizerTest, MarksThatAreWrittenOutAreThemselves) {
  EXPECT_THAT(tokenizer_->Encode("<extra_id_0> a<extra_id_3>"), ElementsAre(34, 3, 5, 31, 1));
  EXPECT_THAT(tokenizer_->Encode("</s><pad> <unk>"), ElementsAre(1, 0, 2, 1));
  EXPECT_THAT(tokenizer_->Encode("<b>"), ElementsAre(3, 2, 6, 2, 1));
  EXPECT_THAT(tokenizer_->Encode("<<pad>"), ElementsAre(3, 2, 0, 1));
}

}  // namespace
}  // namespace mind::diffusion
