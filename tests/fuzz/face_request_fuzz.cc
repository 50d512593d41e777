// A request's body, taken for each kind that the faces read: OpenAI's as JSON and as a form, A1111's, and our
// own.
#include "mind/v1/generation.pb.h"
#include "server/http/openai_request.h"
#include "server/http/proto_json.h"
#include "server/http/sdapi_request.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mind::server::HttpRequest request;
  request.body = std::string(mind::fuzz::Text(data, size));
  (void)mind::server::ParseGeneration(request);
  (void)mind::server::ParseEdit(request);
  (void)mind::server::ParseTxt2Img(request);
  (void)mind::server::ParseImg2Img(request);
  mind::v1::JobRequest job;
  (void)mind::server::FromJson(request.body, &job);
  request.headers["content-type"] = "multipart/form-data; boundary=X";
  (void)mind::server::ParseEdit(request);
  return 0;
}
