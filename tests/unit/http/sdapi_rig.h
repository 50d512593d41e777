// A1111's API with a server behind it that does as the test says.
#ifndef MIND_TESTS_UNIT_HTTP_SDAPI_RIG_H_
#define MIND_TESTS_UNIT_HTTP_SDAPI_RIG_H_

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/unit/http/face_rig.h"
#include "worker/image/encode.h"

namespace mind::server {

class SdapiRig : public FaceRig {
 protected:
  SdapiRig() {
    spec_.set_prompt("a cat");
    spec_.set_model("emoji");
    spec_.set_width(64);
    spec_.set_height(32);
    spec_.set_steps(20);
    spec_.set_seed(7);
    spec_.set_guidance(2.5);
    spec_.set_image_count(2);
    spec_.set_sampler("dpmpp_2m_karras");
  }

  FakeExchangePtr Txt2Img(const nlohmann::json& body,
                          const std::map<std::string, std::string>& headers = {}) {
    return Ask("POST", "/sdapi/v1/txt2img", body.dump(), headers);
  }
  // The spec that a request has become.
  v1::ImageSpec SpecOf(const nlohmann::json& body) {
    generation_.submitted.clear();
    const auto exchange = Txt2Img(body);
    EXPECT_EQ(generation_.submitted.size(), 1U) << body << *exchange->answer->body;
    return generation_.submitted.empty() ? v1::ImageSpec() : generation_.submitted[0].spec();
  }
  // Why a request is refused, its status before it.
  std::string RefusalOf(const std::string& path, const nlohmann::json& body) {
    const auto exchange = Ask("POST", path, body.dump());
    return absl::StrCat(exchange->answer->status, " ", BodyOf(exchange).value("detail", ""));
  }
  static std::string PngWith(const std::string& infotext) {
    const uint8_t pixel[3] = {1, 2, 3};
    return image::EncodePng({pixel, 1, 1}, infotext);
  }

  v1::ImageSpec spec_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_HTTP_SDAPI_RIG_H_
