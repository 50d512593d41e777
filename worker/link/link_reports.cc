#include "worker/link/link_reports.h"

#include <memory>
#include <utility>

#include "worker/link/convert.h"

namespace mind {

ReportPtr Shared(v1::ConnectRequest report) {
  return std::make_shared<const v1::ConnectRequest>(std::move(report));
}

ReportPtr DrainingReport() {
  v1::ConnectRequest report;
  report.mutable_draining();
  return Shared(std::move(report));
}

ReportPtr OfferReport(std::vector<v1::Model> models) {
  v1::ConnectRequest report;
  v1::ModelsOffered& offered = *report.mutable_models_offered();
  for (v1::Model& model : models) *offered.add_models() = std::move(model);
  return Shared(std::move(report));
}

ReportPtr RefusalReport(const v1::ImageRef& image, std::exception_ptr error) {
  v1::ConnectRequest report;
  *report.mutable_image_failure()->mutable_image() = image;
  *report.mutable_image_failure()->mutable_error() = ErrorStatus(error);
  return Shared(std::move(report));
}

ReportPtr UploadedReport(const v1::ImageResult& whole, const v1::UploadedFile& file) {
  v1::ConnectRequest report;
  v1::ImageResult& result = *report.mutable_image_result();
  *result.mutable_image() = whole.image();
  result.set_seed(whole.seed());
  result.set_media_type(whole.media_type());
  *result.mutable_uploaded() = file;
  return Shared(std::move(report));
}

ReportPtr HandBackReport(const v1::ImageRef& image, const ReportPtr& kept) {
  v1::ConnectRequest report;
  v1::ImageHandedBack& handed = *report.mutable_image_handed_back();
  *handed.mutable_image() = image;
  if (kept != nullptr && kept->has_image_checkpoint()) {
    handed.set_step(kept->image_checkpoint().step());
    handed.set_checkpoint(kept->image_checkpoint().data());
  }
  return Shared(std::move(report));
}

}  // namespace mind
