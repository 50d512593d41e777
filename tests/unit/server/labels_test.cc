#include "server/generation/labels.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

class LabelsTest : public ServiceRig {
 protected:
  std::string CreateLabelled(const std::map<std::string, std::string>& labels) {
    v1::JobRequest request = SmallRequest();
    request.mutable_labels()->insert(labels.begin(), labels.end());
    return Create(request);
  }
  std::vector<std::string> Listed(const std::map<std::string, std::string>& labels) {
    v1::ListJobsRequest request;
    request.mutable_labels()->insert(labels.begin(), labels.end());
    const auto jobs = List(request);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    std::vector<std::string> ids;
    for (const v1::Job& job : jobs->jobs()) ids.push_back(job.id());
    return ids;
  }
  static absl::Status Check(const std::map<std::string, std::string>& labels) {
    return CheckLabels("labels", Labels(labels.begin(), labels.end()));
  }
};

TEST_F(LabelsTest, StayWithTheJobAndFindIt) {
  const auto worker = Connect("w", 1);
  const std::string one = CreateLabelled({{"user", "ann"}, {"run", "7"}});
  const std::string two = CreateLabelled({{"user", "ann"}});
  const std::string three = CreateLabelled({{"user", "bob"}, {"run", "7"}});
  EXPECT_EQ(Get(one)->labels().at("run"), "7");
  EXPECT_THAT(Listed({{"user", "ann"}}), testing::ElementsAre(two, one));
  EXPECT_THAT(Listed({{"user", "ann"}, {"run", "7"}}), testing::ElementsAre(one));
  EXPECT_THAT(Listed({{"user", "an"}}), testing::IsEmpty());
  Finish(worker, one);
  EXPECT_THAT(Listed({{"run", "7"}}), testing::ElementsAre(three, one));
}

TEST_F(LabelsTest, HaveBounds) {
  EXPECT_TRUE(Check({{"a/b-c_d.e", ""}, {"x", std::string(63, 'x')}}).ok());
  std::string cjk;
  for (int i = 0; i < 63; ++i) cjk += "图";
  EXPECT_TRUE(Check({{"x", cjk}}).ok());  // characters, not bytes
  std::map<std::string, std::string> many;
  for (int i = 0; i < 17; ++i) many["l" + std::to_string(i)] = "";
  EXPECT_THAT(Check(many).message(), HasSubstr("17 given, at most 16"));
  many.erase("l0");
  EXPECT_TRUE(Check(many).ok());
  for (const std::string& name :
       {std::string(), std::string("two words"), std::string(64, 'x'), std::string("ü")}) {
    EXPECT_FALSE(Check({{name, "x"}}).ok()) << name;
  }
  for (const std::string& text :
       {std::string(64, 'x'), cjk + "图", std::string("a\nb"), std::string("\xff"), std::string(1, '\0')}) {
    EXPECT_THAT(Check({{"name", text}}).message(), HasSubstr("labels[name]")) << text;
  }
}

TEST_F(LabelsTest, ARequestWithBadOnesIsRefused) {
  Connect("w", 1);
  v1::JobRequest request = SmallRequest();
  (*request.mutable_labels())["two words"] = "";
  EXPECT_EQ(Submit(request).status().code(), absl::StatusCode::kInvalidArgument);
  v1::ListJobsRequest list;
  (*list.mutable_labels())["two words"] = "";
  EXPECT_EQ(List(list).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mind::server
