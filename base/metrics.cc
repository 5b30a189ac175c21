#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <exception>
#include <utility>

#include "base/mutex.h"
#include "base/status.h"

// A thin wrapper around prometheus-cpp, which nobody else includes. Handles point into the registry
// and stay valid as long as it; the library's exceptions mean mistakes of ours and end the process.

namespace waypost::base {
namespace {

// The library throws on malformed names and on one name for two kinds: mistakes of ours, not of the
// world.
template <class F>
auto OrDie(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::exception& e) {
    CheckFailed(__FILE__, __LINE__, e.what());
  }
}

}  // namespace

void Counter::Add(double amount) const {
  if (counter_ != nullptr) counter_->Increment(amount);
}
double Counter::value() const { return counter_ == nullptr ? 0 : counter_->Value(); }

void Gauge::Set(double value) const {
  if (gauge_ != nullptr) gauge_->Set(value);
}
void Gauge::Add(double amount) const {
  if (gauge_ != nullptr) gauge_->Increment(amount);
}
double Gauge::value() const { return gauge_ == nullptr ? 0 : gauge_->Value(); }

struct GaugeFamily::State {
  prometheus::Family<prometheus::Gauge>* family = nullptr;
  Mutex mutex;
  std::vector<prometheus::Gauge*> shown GUARDED_BY(mutex);
};

void GaugeFamily::Set(const Values& values) const {
  if (state_ == nullptr) return;
  MutexLock lock(state_->mutex);
  for (prometheus::Gauge* gauge : state_->shown) state_->family->Remove(gauge);
  state_->shown.clear();
  for (const auto& item : values) {
    prometheus::Gauge* const gauge = OrDie([&] { return &state_->family->Add(item.first); });
    gauge->Set(item.second);
    state_->shown.push_back(gauge);
  }
}

void Histogram::Observe(double value) const {
  if (histogram_ != nullptr) histogram_->Observe(value);
}

struct Metrics::Impl {
  prometheus::Registry registry;
  Mutex mutex;
  std::vector<std::function<void()>> refreshers GUARDED_BY(mutex);
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::AddCounter(const std::string& name, const std::string& help,
                            const Labels& labels) {
  Counter handle;
  handle.counter_ = OrDie([&] {
    return &prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry).Add(labels);
  });
  return handle;
}

Gauge Metrics::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  Gauge handle;
  handle.gauge_ = OrDie([&] {
    return &prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add(labels);
  });
  return handle;
}

GaugeFamily Metrics::AddGaugeFamily(const std::string& name, const std::string& help) {
  GaugeFamily handle;
  handle.state_ = std::make_shared<GaugeFamily::State>();
  handle.state_->family = OrDie(
      [&] { return &prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry); });
  return handle;
}

Histogram Metrics::AddHistogram(const std::string& name, const std::string& help,
                                const std::vector<double>& bounds, const Labels& labels) {
  Histogram handle;
  handle.histogram_ = OrDie([&] {
    return &prometheus::BuildHistogram()
                .Name(name)
                .Help(help)
                .Register(impl_->registry)
                .Add(labels, bounds);
  });
  return handle;
}

void Metrics::AddRefresher(std::function<void()> refresh) {
  MutexLock lock(impl_->mutex);
  impl_->refreshers.push_back(std::move(refresh));
}

std::string Metrics::Render() {
  std::vector<std::function<void()>> refreshers;
  {
    MutexLock lock(impl_->mutex);
    refreshers = impl_->refreshers;
  }
  for (const auto& refresh : refreshers) refresh();
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace waypost::base
