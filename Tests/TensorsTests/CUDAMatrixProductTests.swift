import CUDARuntime
import Tensors
import Testing

/// The calls of cuBLASLt. The numbers themselves are tested on something that computes.
@Suite struct CUDAMatrixProductTests {
  private let stub: CUDAStub
  private let device: CUDADevice
  private let memory: CUDAMemory

  init() throws {
    stub = try CUDAStub()
    device = try CUDADevice(stub.libraries)
    memory = CUDAMemory(device)
  }

  private func product(_ choice: MatrixProductChoice = .heuristic) throws -> CUDAMatrixProduct {
    try #require(try CUDAMatrixProduct(device, memory, choice: choice))
  }

  /// c [2, 3] = 0.5 · a [2, 4] · bᵀ, b [3, 4]
  private func multiply(_ product: CUDAMatrixProduct, addend: Float = 0) -> Bool {
    product.multiply(
      DeviceMatrix(1024, rows: 2, columns: 4, .bfloat16),
      DeviceMatrix(2064, rows: 3, columns: 4, .bfloat16, isTransposed: true),
      scale: 0.5, addend: addend, DeviceMatrix(4096 + 128, rows: 2, columns: 3, .float32))
  }

  @Test func productIsAskedForColumnByColumn() throws {
    let product = try product()
    #expect(multiply(product, addend: 1))
    try device.synchronize()
    // type, rows, columns, leading dimension: the second factor comes first, and every matrix is transposed.
    #expect(stub.get("A") == 14_04_03_04 && stub.get("B") == 14_04_02_04 && stub.get("C") == 03_02_03)
    #expect(stub.get("transpose A") == 1 && stub.get("transpose B") == 0)
    #expect(stub.get("A data") == 2064 && stub.get("B data") == 1024)
    #expect(stub.get("C data") == 4224 && stub.get("D data") == 4224)
    #expect(stub.get("alpha") == 50 && stub.get("beta") == 100)
    #expect(stub.get("compute") == 68)
  }

  @Test func stepBetweenRowsIsTheLeadingDimension() throws {
    let product = try product()
    func multiply(strideA: Int, strideC: Int) -> Bool {
      product.multiply(
        DeviceMatrix(1024, rows: 2, columns: 4, .bfloat16, rowStride: strideA),
        DeviceMatrix(2048, rows: 4, columns: 3, .bfloat16), scale: 1, addend: 0,
        DeviceMatrix(4096, rows: 2, columns: 3, .float32, rowStride: strideC))
    }
    #expect(multiply(strideA: 9, strideC: 5))
    #expect(stub.get("A") == 14_03_04_03 && stub.get("B") == 14_04_02_09 && stub.get("C") == 03_02_05)
    // A plan holds only for matrices with its strides.
    #expect(multiply(strideA: 4, strideC: 5))
    #expect(stub.get("B") == 14_04_02_04 && stub.get("cublasLtMatmulAlgoGetHeuristic") == 2)
  }

  @Test func choiceKnowsWorkspaceReductionAndAlignment() throws {
    #expect(multiply(try product()))
    #expect(stub.get("preference 1") == 32 << 20 && stub.get("preference 3") == 2)
    #expect(stub.get("preference 5") == 16 && stub.get("preference 6") == 256)
    #expect(stub.get("preference 7") == 128 && stub.get("preference 8") == 128)
  }

  @Test func algorithmIsAskedForOncePerShape() throws {
    let product = try product()
    for addend: Float in [0, 0, 1, 1] { #expect(multiply(product, addend: addend)) }
    #expect(stub.get("cublasLtMatmulAlgoGetHeuristic") == 2 && stub.get("cublasLtMatmul") == 4)
    #expect(stub.get("algorithm") == 0)
  }

  @Test func fastestAlgorithmIsMeasuredOnceAndKept() throws {
    let product = try product(.timed)
    #expect(multiply(product))
    let first = stub.get("cublasLtMatmul")
    // Eight algorithms, four runs each, and the product itself.
    #expect(first == 33 && stub.get("algorithm") == 4)
    #expect(multiply(product))
    #expect(stub.get("cublasLtMatmul") == 34 && stub.get("algorithm") == 4)
  }

  @Test func nothingIsMeasuredWithinACapture() throws {
    let product = try product(.timed)
    _ = try CUDAGraph(device, memory) { #expect(multiply(product)) }
    #expect(stub.get("cublasLtMatmul") == 1 && stub.get("algorithm") == 0)
    #expect(multiply(product))
    #expect(stub.get("algorithm") == 4)
  }

  @Test func unsupportedTypesAreLeftToTheCaller() throws {
    let product = try product()
    func types(_ a: DeviceNumber, _ b: DeviceNumber, _ c: DeviceNumber) -> Bool {
      product.multiply(
        DeviceMatrix(512, rows: 2, columns: 2, a), DeviceMatrix(512, rows: 2, columns: 2, b), scale: 1,
        addend: 0, DeviceMatrix(512, rows: 2, columns: 2, c))
    }
    #expect(types(.bfloat16, .bfloat16, .bfloat16) && types(.bfloat16, .bfloat16, .float32))
    #expect(types(.float32, .float32, .float32))
    #expect(!types(.float32, .bfloat16, .float32) && !types(.float32, .float32, .bfloat16))
  }

  @Test func shapeThatTheLibraryRefusesIsLeftToTheCaller() throws {
    let product = try product()
    stub.failNext("cublasLtMatmulAlgoGetHeuristic", 15)
    #expect(!multiply(product) && !multiply(product))
    #expect(stub.get("cublasLtMatmulAlgoGetHeuristic") == 1)
    try device.synchronize()
  }

  @Test func failureOfAProductIsThrownByTheNextCallThatWaits() throws {
    let product = try product()
    stub.failNext("cublasLtMatmul", 14)
    #expect(multiply(product))
    let error = #expect(throws: CUDAError.self) { try device.synchronize() }
    #expect(
      error?.description
        == "cuda: cublasLtMatmul gave CUBLAS_STATUS_INTERNAL_ERROR (14), in cuBLASLt 13.2")
  }

  @Test func partsOfAPlanEndWithTheProduct() throws {
    do { #expect(multiply(try product())) }
    for (made, ended) in [
      ("cublasLtCreate", "cublasLtDestroy"), ("cublasLtMatmulDescCreate", "cublasLtMatmulDescDestroy"),
      ("cublasLtMatrixLayoutCreate", "cublasLtMatrixLayoutDestroy"),
      ("cublasLtMatmulPreferenceCreate", "cublasLtMatmulPreferenceDestroy"),
    ] {
      #expect(stub.get(made) == stub.get(ended) && stub.get(made) > 0, "\(made), \(ended)")
    }
    #expect(memory.inUse == 0)
  }

  @Test func machineWithoutTheLibraryHasNoProducts() throws {
    let device = try CUDADevice(try CUDAStub(matmul: nil).libraries)
    #expect(try CUDAMatrixProduct(device, CUDAMemory(device)) == nil)
  }
}
