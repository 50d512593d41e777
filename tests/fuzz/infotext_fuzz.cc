// Texts about pictures: infotexts, those inside a PNG, prompts with LoRAs, titles of models, data URLs.
#include <stdexcept>

#include "server/http/data_url.h"
#include "server/http/sdapi_request.h"
#include "tests/fuzz/fuzz.h"
#include "worker/image/infotext.h"
#include "worker/image/png_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = mind::fuzz::Text(data, size);
  (void)mind::image::ParseInfotext(text);
  try {
    (void)mind::image::TextsOfPng(text);
  } catch (const std::runtime_error&) {
  }
  mind::v1::ImageSpec spec;
  mind::server::ReadPrompt(std::string(text), spec);
  (void)mind::server::ModelOfTitle(std::string(text));
  (void)mind::server::FromBase64({text.data(), text.size()});
  return 0;
}
