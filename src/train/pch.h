// What every file of this room and its users compile slowly: compiled once.
#pragma once

#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/nn/module.h>
