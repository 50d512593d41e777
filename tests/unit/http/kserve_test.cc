#include "server/http/kserve.h"

#include "tests/unit/http/face_rig.h"

namespace mind::server {
namespace {

using Kserve = FaceRig;

TEST_F(Kserve, TheServerLivesWhoeverServes) {
  EXPECT_EQ(BodyOf(Ask("GET", "/v2"))["name"], "mind-diffusion");
  EXPECT_EQ(Ask("GET", "/v2/health/live")->answer->status, 200);
}

TEST_F(Kserve, IsReadyWhereAWorkerServesAModel) {
  EXPECT_EQ(Ask("GET", "/v2/health/ready")->answer->status, 503);  // a worker without a model
  generation_.worker.add_models("emoji");
  generation_.worker.set_state(v1::WORKER_STATE_DRAINING);
  EXPECT_EQ(Ask("GET", "/v2/health/ready")->answer->status, 503);
  EXPECT_EQ(Ask("GET", "/v2/models/emoji/ready")->answer->status, 503);
  for (const v1::WorkerState state : {v1::WORKER_STATE_READY, v1::WORKER_STATE_BUSY}) {
    generation_.worker.set_state(state);
    EXPECT_EQ(Ask("GET", "/v2/health/ready")->answer->status, 200);
    EXPECT_EQ(Ask("GET", "/v2/models/emoji/ready")->answer->status, 200);
  }
  generation_.worker.set_models(0, "other");
  EXPECT_EQ(Ask("GET", "/v2/health/ready")->answer->status, 200);
  EXPECT_EQ(Ask("GET", "/v2/models/emoji/ready")->answer->status, 503);
}

TEST_F(Kserve, KnowsTheModelsThereAre) {
  EXPECT_EQ(BodyOf(Ask("GET", "/v2/models/emoji"))["name"], "emoji");
  EXPECT_EQ(Ask("GET", "/v2/models/none")->answer->status, 404);
  EXPECT_EQ(Ask("GET", "/v2/models/none/ready")->answer->status, 404);
}

TEST_F(Kserve, TakesNoTensors) {
  const auto infer = Ask("POST", "/v2/models/emoji/infer", "{}");
  EXPECT_EQ(infer->answer->status, 404);
  EXPECT_THAT(BodyOf(infer)["error"].get<std::string>(), testing::HasSubstr("/v1/images/generations"));
  EXPECT_EQ(Ask("POST", "/v2/health/live")->answer->status, 405);
}

}  // namespace
}  // namespace mind::server
