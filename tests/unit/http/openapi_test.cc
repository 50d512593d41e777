#include "server/http/openapi.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "server/http/page.h"
#include "tests/unit/http/face_rig.h"

namespace mind::server {
namespace {

class Openapi : public FaceRig {
 protected:
  Openapi() {
    AddOpenApi(router_);
    document_ = BodyOf(Ask("GET", "/openapi.json"));
  }
  const nlohmann::json& Schema(const std::string& name) const {
    return document_["components"]["schemas"][name];
  }

  nlohmann::json document_;
};

TEST_F(Openapi, EveryRouteIsInIt) {
  EXPECT_EQ(document_["openapi"], "3.1.0");
  std::set<std::string> ids;
  for (const Router::Route& route : router_.routes()) {
    const std::string method = absl::AsciiStrToLower(route.method);
    ASSERT_TRUE(document_["paths"].contains(route.pattern)) << route.pattern;
    const nlohmann::json& operation = document_["paths"][route.pattern][method];
    ASSERT_TRUE(operation.is_object()) << method << " " << route.pattern;
    EXPECT_TRUE(ids.insert(operation["operationId"]).second) << operation["operationId"];
    EXPECT_FALSE(operation["summary"].get<std::string>().empty());
    // What stands in braces is said, and nothing else is.
    std::set<std::string> said, meant;
    for (const nlohmann::json& parameter : operation.value("parameters", nlohmann::json::array())) {
      if (parameter["in"] == "path") said.insert("{" + parameter["name"].get<std::string>() + "}");
    }
    for (const absl::string_view segment : absl::StrSplit(route.pattern, '/')) {
      if (absl::StartsWith(segment, "{")) meant.insert(std::string(segment));
    }
    EXPECT_EQ(said, meant) << route.pattern;
  }
}

TEST_F(Openapi, ReferencesLeadSomewhere) {
  std::vector<const nlohmann::json*> waiting = {&document_};
  int references = 0;
  while (!waiting.empty()) {
    const nlohmann::json& value = *waiting.back();
    waiting.pop_back();
    for (const nlohmann::json& inner : value) {
      if (inner.is_structured()) waiting.push_back(&inner);
    }
    if (!value.is_object() || !value.contains("$ref")) continue;
    ++references;
    const std::string to = value["$ref"].get<std::string>().substr(1);
    EXPECT_TRUE(document_.contains(nlohmann::json::json_pointer(to))) << to;
  }
  EXPECT_GT(references, 20);
}

TEST_F(Openapi, OfA1111TheFieldsOfAVariationAreNamed) {
  const nlohmann::json& request = Schema("SdapiRequest")["properties"];
  EXPECT_EQ(request["subseed"]["type"], "integer");
  EXPECT_EQ(request["subseed_strength"]["maximum"], 1);
}

TEST_F(Openapi, OfOpenAisOurFieldsAreNamed) {
  for (const char* const name : {"OpenAiGeneration", "OpenAiEdit"}) {
    const nlohmann::json& request = Schema(name)["properties"];
    EXPECT_EQ(request["hires"]["anyOf"][0]["$ref"], "#/components/schemas/mind.v1.Hires");
    EXPECT_EQ(request["later_stages"]["anyOf"][0]["type"], "array");
    EXPECT_EQ(request["mask_blur"]["anyOf"][0]["type"], "number");
    EXPECT_EQ(request["source_fit"]["anyOf"][0]["enum"], nlohmann::json({"stretch", "crop", "fill"}));
  }
}

TEST_F(Openapi, MessagesAreAsTheirJsonIs) {
  const nlohmann::json& spec = Schema("mind.v1.ImageSpec")["properties"];
  EXPECT_EQ(spec["steps"]["type"], "integer");
  EXPECT_EQ(spec["steps"]["maximum"], 4294967295);
  EXPECT_EQ(spec["seed"]["type"], "string");  // 64 bits do not fit a number of JSON's
  EXPECT_EQ(spec["guidance"]["type"], "number");
  EXPECT_EQ(spec["omitMetadata"]["type"], "boolean");
  EXPECT_EQ(spec["sourceImage"]["contentEncoding"], "base64");
  EXPECT_EQ(spec["loras"]["items"]["$ref"], "#/components/schemas/mind.v1.LoraUse");
  EXPECT_TRUE(spec["samplerParameters"].contains("additionalProperties"));
  EXPECT_TRUE(
      absl::StartsWith(spec["prompt"]["description"].get<std::string>(), "What the picture shall show."));
  const nlohmann::json& job = Schema("mind.v1.Job")["properties"];
  EXPECT_EQ(job["createTime"]["format"], "date-time");
  EXPECT_EQ(job["labels"]["additionalProperties"]["type"], "string");
  EXPECT_EQ(job["state"]["$ref"], "#/components/schemas/mind.v1.JobState");
  EXPECT_THAT(Schema("mind.v1.JobState")["enum"], testing::Contains("JOB_STATE_RUNNING"));
}

}  // namespace
}  // namespace mind::server
