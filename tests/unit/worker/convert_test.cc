#include "worker/link/convert.h"

#include <gtest/gtest.h>

#include "proto/support/errors.h"
#include "worker/diffusion/error.h"

namespace mind {
namespace {

absl::StatusCode CodeOf(std::exception_ptr error) {
  return FromProto(ErrorStatus(error)).code();
}

TEST(Convert, MapsTheEnginesErrors) {
  EXPECT_EQ(CodeOf(std::make_exception_ptr(diffusion::RequestError("x"))),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(diffusion::CheckpointError("x"))), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(diffusion::ModelError("x"))),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(std::bad_alloc())), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(std::runtime_error("x"))), absl::StatusCode::kInternal);
  EXPECT_EQ(CodeOf(std::make_exception_ptr(7)), absl::StatusCode::kInternal);
}

TEST(Convert, PictureKOfAJobHasItsOwnSeed) {
  v1::Assign assign;
  assign.mutable_spec()->set_seed(100);
  assign.mutable_spec()->set_steps(5);
  v1::AssignedImage image;
  image.set_image_index(3);
  image.set_checkpoint("bytes");
  const diffusion::TrajectoryRequest request = ToRequest(assign, image);
  EXPECT_EQ(request.seed, 103U);
  EXPECT_EQ(request.steps, 5);
  EXPECT_EQ(request.checkpoint, "bytes");
}

TEST(Convert, EncodesInTheFormatOfTheSpec) {
  const at::Tensor picture = at::zeros({4, 4, 3}, at::kByte);
  v1::ImageSpec spec;
  EXPECT_EQ(EncodePicture(picture, spec, 1).media_type, "image/png");
  spec.set_format(v1::IMAGE_FORMAT_JPEG);
  EXPECT_EQ(EncodePicture(picture, spec, 1).media_type, "image/jpeg");
  spec.set_format(v1::IMAGE_FORMAT_WEBP);
  EXPECT_EQ(EncodePicture(picture, spec, 1).media_type, "image/webp");
}

}  // namespace
}  // namespace mind
