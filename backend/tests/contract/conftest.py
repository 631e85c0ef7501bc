import pytest

pytest.register_assert_rewrite("tests.contract.dataset_contract")
pytest.register_assert_rewrite("tests.contract.figures_contract")
