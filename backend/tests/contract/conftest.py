import pytest

pytest.register_assert_rewrite("tests.contract.dataset_contract")
