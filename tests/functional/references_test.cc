// Several pictures in one request, for a model that changes them: by gRPC, over HTTP, and from the command
// line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/functional/cluster.h"
#include "tests/support/loopback.h"
#include "tests/support/model_folder.h"
#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kKlein[] = "klein";
constexpr uint32_t kMost = 3;

class References : public ::testing::Test {
 protected:
  References() : cluster_({"--http", "127.0.0.1:0"}) {
    const std::string make =
        std::string(MIND_BIN) + "/make-tiny flux2 " + folder_.path() + "/" + kKlein + " distilled";
    EXPECT_EQ(std::system(make.c_str()), 0) << make;
    cluster_.StartWorker("w", {"--models", folder_.path()});
    client_ = cluster_.NewClient();
  }

  // A PNG of one colour.
  static std::string Plain(int width, int height, uint8_t grey) {
    const std::vector<uint8_t> pixels(static_cast<size_t>(width) * static_cast<size_t>(height) * 3, grey);
    return image::EncodePng({pixels.data(), width, height}, "");
  }
  static v1::JobRequest Changing(const std::vector<std::string>& pictures) {
    v1::JobRequest request;
    v1::ImageSpec& spec = *request.mutable_spec();
    spec.set_prompt("a cat, a dog");  // the small encoder takes few tokens
    spec.set_width(32);
    spec.set_height(48);
    spec.set_steps(4);
    spec.set_seed(3);
    for (const std::string& picture : pictures) spec.add_reference_images(picture);
    return request;
  }
  // The picture's file; fails the test where there is none.
  std::string Made(const v1::JobRequest& request) {
    std::string data;
    const auto job = client_->Generate(
        request, {.event = nullptr, .picture = [&](client::Picture made) { data = std::move(made.data); }});
    EXPECT_TRUE(job.ok()) << job.status();
    if (job.ok()) {
      EXPECT_EQ(job->spec().reference_images_size(), 0);  // they do not come back
    }
    return data;
  }
  std::string ErrorOf(const v1::JobRequest& request) {
    const auto job = client_->Generate(request, {});
    EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument) << job.status();
    return std::string(job.status().message());
  }
  static std::vector<uint8_t> PixelsOf(const std::string& file) { return image::DecodePicture(file).data; }

  // The pixels of what OpenAI's call makes of the same request.
  std::vector<uint8_t> EditedOverHttp(const std::vector<std::string>& pictures) {
    std::string body;
    const auto add = [&body](const std::string& disposition, const std::string& data) {
      absl::StrAppend(&body, "--X\r\nContent-Disposition: form-data; name=", disposition, "\r\n\r\n", data,
                      "\r\n");
    };
    for (const std::string& picture : pictures) add(R"("image[]"; filename="a.png")", picture);
    const v1::ImageSpec spec = Changing({}).spec();
    add("\"prompt\"", spec.prompt());
    add("\"size\"", absl::StrCat(spec.width(), "x", spec.height()));
    add("\"num_inference_steps\"", absl::StrCat(spec.steps()));
    add("\"seed\"", absl::StrCat(spec.seed()));
    body += "--X--\r\n";
    const std::string line = cluster_.server().AwaitLine("http on port ");
    const std::string answer = support::Ask(
        support::Connect(std::atoi(line.c_str() + line.find("port ") + 5)),
        absl::StrCat("POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                     "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: ", body.size(),
                     "\r\n\r\n", body));
    const std::string text = answer.substr(answer.find("\r\n\r\n") + 4);
    const nlohmann::json made = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    std::string file;
    if (!made.is_object() || !made.contains("data") ||
        !absl::Base64Unescape(made["data"][0]["b64_json"].get<std::string>(), &file)) {
      ADD_FAILURE() << text.substr(0, 400);
      return {};
    }
    return PixelsOf(file);
  }

  support::ModelFolder folder_;
  Cluster cluster_;
  std::unique_ptr<client::Client> client_;
};

TEST_F(References, EachCountsInItsPlaceWhoeverAsks) {
  const auto models = client_->Models();
  ASSERT_TRUE(models.ok() && models->size() == 1);
  EXPECT_FALSE(models->front().takes_picture_guidance());
  const v1::ModelInput& input = models->front().inputs(models->front().inputs_size() - 1);
  EXPECT_EQ(input.role(), v1::INPUT_ROLE_REFERENCE);
  EXPECT_EQ(input.most(), kMost);
  EXPECT_NEAR(input.megapixels(), 1.048576, 1e-9);

  const std::string light = Plain(40, 24, 200), dark = Plain(17, 30, 20);
  const std::string both = Made(Changing({light, dark}));
  EXPECT_THAT(both, HasSubstr(", References: 2,"));
  const std::vector<uint8_t> pixels = PixelsOf(both);
  EXPECT_NE(PixelsOf(Made(Changing({dark, light}))), pixels);
  EXPECT_NE(PixelsOf(Made(Changing({light}))), pixels);
  EXPECT_NE(PixelsOf(Made(Changing({light, dark, dark}))), pixels);
  v1::JobRequest source = Changing({dark});  // as clients said one picture before there were lists
  source.mutable_spec()->set_source_image(light);
  EXPECT_EQ(PixelsOf(Made(source)), pixels);
  EXPECT_EQ(EditedOverHttp({light, dark}), pixels);

  const std::string folder = cluster_.directory();
  std::ofstream(folder + "/light.png", std::ios::binary) << light;
  std::ofstream(folder + "/dark.png", std::ios::binary) << dark;
  const std::string command = absl::StrCat(
      MIND_BIN, "/mind generate --server ", cluster_.address(), " '", Changing({}).spec().prompt(),
      "' --size 32x48 --steps 4 --seed 3 --reference ", folder, "/light.png --reference ", folder,
      "/dark.png --out ", folder, "/made.png > /dev/null 2>&1");
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream made(folder + "/made.png", std::ios::binary);
  EXPECT_EQ(PixelsOf({std::istreambuf_iterator<char>(made), {}}), pixels);
}

TEST_F(References, WhatCannotBeGoneByIsRefusedByName) {
  const std::string light = Plain(40, 24, 200);
  EXPECT_EQ(ErrorOf(Changing({light, light, light, light})),
            "spec.reference_images: 4 given, at most 3 are allowed");
  v1::JobRequest request = Changing({light, light, light});
  request.mutable_spec()->set_source_image(light);
  EXPECT_EQ(ErrorOf(request), "spec.reference_images: 4 given with source_image, at most 3 are allowed");
  EXPECT_EQ(ErrorOf(Changing({light, ""})), "spec.reference_images[1]: empty; it must be a picture");
  EXPECT_THAT(ErrorOf(Changing({light, "not a picture"})),
              HasSubstr("reference picture 2: a picture of the request: not a PNG, JPEG or WebP file"));
  EXPECT_THAT(ErrorOf(Changing({light, Plain(40, 3, 200)})), HasSubstr("given: 40x3"));
  EXPECT_THAT(ErrorOf(Changing({light, std::string(17 << 20, 'x')})),
              HasSubstr("spec.reference_images[1]: 17825792 bytes given, at most 16777216 are allowed"));
  request = Changing({light});
  request.mutable_spec()->set_picture_guidance(1.5);
  EXPECT_EQ(ErrorOf(request), "spec.picture_guidance: this model takes none");
  request = Changing({light});
  request.mutable_spec()->set_mask_image(light);
  EXPECT_EQ(ErrorOf(request), "spec.mask_image: this model takes none");
}

}  // namespace
}  // namespace mind::testing
